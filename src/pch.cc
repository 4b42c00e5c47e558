// Holds the precompiled torch/torch.h that the LibTorch modules share.
