// Holds the precompiled LibTorch headers that its modules share.
