#!/usr/bin/env python3
"""Strings and the ids that the reference tokenisers give them, for tests/text/*_test.cc.

tests/fixtures/text/tokens.jsonl.gz, a line a string: kind, text, openai (the ids of OpenAI's
SimpleTokenizer without start and end); where they differ from it open_clip and huggingface
(transformers' CLIPTokenizer); for texts of more than 75 tokens context, open_clip's ids cut to 77.
pieces.model and pieces.jsonl.gz: a sentencepiece model and its ids, from PyPI's sentencepiece.

Needs third_party/requirements-dev.txt. No vocabulary is downloaded: open_clip's wheel carries it.
"""
import argparse
import gzip
import importlib.util
import json
import pathlib
import random
import sys
import tempfile
import unicodedata

from ftfy.chardata import CHARMAP_ENCODINGS, HTML_ENTITIES, possible_encoding

ROOT = pathlib.Path(__file__).resolve().parent.parent
SPECIALS = ["<|startoftext|>", "<|endoftext|>"]

WHO = ("a man|a woman|two girls|the dog|a chef|three kids|someone|a band|an old lady|the player"
       ).split("|")
DOES = ("is playing|plays|is cooking|rides|talks about|isn't holding|they're watching|sings|cuts|"
        "shows how to fold|we've seen|I'm driving|she'll open|he'd paint|commentates on").split("|")
WHAT = ("the guitar|soccer|a red car|paper airplanes|pasta with 2 eggs|a video game (part 3)|"
        "minecraft gameplay|the news|a 1990's movie|an i-phone|her hair|the stock-market|"
        "a can of coca-cola|U.S. politics|rock & roll|50% off!!|$1,000.50|http://x.co/?a=1&b=2"
        ).split("|")
WHERE = ("|in a kitchen|on stage|outside|at night...|with his friends|, slowly|; then laughs|"
         '"live"').split("|")
WORDS = ("café naïve Zürich smörgåsbord Łódź crème brûlée İstanbul ISTANBUL ıssız straße ΟΔΟΣ "
         "Σίσυφος ΣΑΣ Α'Σ ὈΔΥΣΣΕΎΣ été Español ñandú Ångström Tiếng Việt Dvořák Æsir Þór coöperate "
         "ﬁance ＡＢＣ Москва Київ Ґанок Ђорђе ქართული Հայերեն ᾳ\u0345 x\u0345y").split()
SCRIPTS = ("一个男人在弹吉他 猫が魚を食べる ねこ ﾈｺｶﾞ 고양이가 물고기를 먹는다 각각 رجل يعزف على "
           "الجيتار مُحَمَّد एक आदमी गिटार बजा रहा है क्षत्रिय किताब ผู้ชายกำลังเล่นกีตาร์ น้ำ שלום עולם "
           "שָׁלוֹם বাংলা தமிழ் తెలుగు አማርኛ ខ្មែរ မြန်မာ བོད་ ᏣᎳᎩ Ꭰꮃꮎ 𐐀𐐨 ꓡꓲꓢꓴ ߒߞߏ").split()
EMOJI = ("😀 😂🤣 ❤️ ❤ 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 🧑🏿‍🚀 1️⃣ #️⃣ ©️ ™ 🫠 🏴󠁧󠁢󠁷󠁬󠁳󠁿 ☺︎ 🤷‍♀️ 💩 :-) "
         "¯\\_(ツ)_/¯ (╯°□°)╯︵┻━┻ ( ͡° ͜ʖ ͡°)").split()
SPACES = ("  ", "\t", "\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1f", "\x85", "\u00a0",
          "\u1680", "\u2002", "\u2009", "\u200a", "\u200b", "\u2028", "\u2029", "\u202f", "\u205f",
          "\u2060", "\u3000", "\ufeff", "\u180e", "\u00ad", "\u200d", "\u200e")
CONTROLS = ("\x00", "\x01", "\x08", "\x0e", "\x1a", "\x1b", "\x1b[0m", "\x1b[36;44m", "\x1b[1;x",
            "\x7f", "\x80", "\x81", "\x8d", "\x92", "\x9f", "\u206a", "\ufff9", "\ufffc", "\ufffd",
            "\uffff", "\U000e0041", "\U0001d173", "\ue000")
ENTITIES = (
    "&amp; &amp &AMP; &lt;b&gt; &quot;hi&quot; &#39; &#x27; &#X27 &#39 &apos; &nbsp; &eacute; "
    "&EACUTE; &Eacute; &eacute &notit; &not &notin; &copy2020 &ampersand &amp;amp; &amp;amp;amp; "
    "&amp;lt; &amp;#39; &#128; &#x80; &#146; &#153; &#0; &#x0; &#55296; &#xD800; &#1114112; "
    "&#x110000; &#99999999999999999999; &#1; &#11; &#xb; &#x7f; &#xFDD0; &#xFFFE; &#x1FFFF; &#13; "
    "&#10; &#x; &#; &; &&amp;& &unknown; &hearts; &HEARTS; &szlig; &SZLIG; &ntilde; &NTILDE; "
    "&nTILDE; &checkmark; &CounterClockwiseContourIntegral; &NotEqualTilde; &bne; &fjlig; &Jscr; "
    "&ThickSpace; &#x1F600; &#128512; &hellip; &ldquo;x&rdquo; &lsquo;x&rsquo; &mdash; &euro; "
    "&#8364; &Acirc;&euro;&trade; &frac12; &sup2; &ETH;&eth; &times &timesb &thetasym; &para "
    "&parallel; &Gt &GT; &shy; &zwj; &#xe9;t&#xE9; &#٣; &#x41;&#66&#67; <p>&amp;</p> AT&T R&D Q&A "
    "a&b;c &lt;p&gt;&amp;amp;").split()
WIDTHS = (
    "ＬＯＵＤ　ＮＯＩＳＥＳ ﬁﬂﬀﬃﬄﬅﬆ ĲĳŉǱǲǳǄǅǆǇǈǉǊǋǌ “curly” ‘single’ it’s itʼs ‚low‛ „double‟ ｱｲｳ ｶﾞ ﾊﾟ "
    "￠￡￥ ￣ ｢｣ ﾡﾢ ￨￩ ℃ ㎏ ² ½ Ⅷ ⅷ ⓐ Ⓐ ſ 'ſ it'ſ K Å Ω ẞ ﷺ ⁄ … ‥ '' ''s 's'S 'RE 'LL 'Ve 'm'M 'D "
    "'x '").split()
DIGITS = ("0123 ٠١٢ ۴۵ ०१२ ０１２ ೧೨ ๑๒ 一二三 ① ⑳ ½⅓ Ⅻ ⅻ 𝟘𝟙 ㉈ 1st 2nd 3D 4k60fps 1,234.56 ૪ 𑁧 Ⅷ ↀ 〇"
          ).split()
LITERALS = SPECIALS + [
    "<start_of_text>", "<end_of_text>", "<|STARTOFTEXT|>", "<|EndOfText|>", "<|ſtartoftext|>",
    "<|startoftext|", "|endoftext|>", "</w>", "<unk>", "[SEP]", "<s>", "<pad>"]
MEANT = WORDS + SCRIPTS[:12] + [
    "“quoted”", "it’s", "— dash –", "… more", "à la mode", "às vezes", "100 €", "½ litre", "✔ done",
    "naïveté à l’école", "Ünïcödé", "日本語", "😀", "👍🏽", "здравствуйте", "ελληνικά"]
# Characters that Unicode gained after 15.0, the version of Debian 12's utf8proc: libraries of
# different years disagree on whether they are letters.
NEWER = ("\U0002ebf0 \u1c89 \u1c8a \U00010d4a \U00010d50 \U00011bc1 \U000105c0 \U00010ec2 \ua7cb "
         "\u1acf").split()
# What text turns into when it is read in a wrong encoding.
SUSPECT = [c for c in map(chr, range(0x80, 0x10000))
           if (c.isprintable() or c < "\xa0")
           and any(possible_encoding(c, e) for e in CHARMAP_ENCODINGS)]
ASSIGNED = [c for c in map(chr, range(0x20000))
            if unicodedata.category(c) not in ("Cn", "Cs", "Co")]
FIXED = ["", " ", "\n", "a", "A", "'", "&", "<", "a red circle", "Hello, World!", "é", "e\u0301",
         "\u0301", "\x00", "\ufeff", "voilà le travail", "sÃ³", "Ã la mode", "âœ” No problems",
         "l&amp;amp;r <b> &amp;", "&lt;\n&amp;amp;", "Σ", "ΑΣ", "ΑΣ.", "ΑΣ.Α"]


def caption(r):
    return " ".join(r.choice(words) for words in (WHO, DOES, WHAT, WHERE)).strip()


def mixed(r, items, most=5):
    parts = [r.choice(items) if r.random() < 0.6 else caption(r).split()[r.randrange(3)]
             for _ in range(r.randint(1, most))]
    text = r.choice([" ", " ", "", "-"]).join(parts)
    return r.choice([text, text, text.upper(), text.title()])


def accents(r):
    return unicodedata.normalize(r.choice(["NFC", "NFD", "NFKD"]), mixed(r, WORDS))


def spaces(r):
    return "".join(w + r.choice(SPACES) * r.choice([0, 1, 1, 2]) for w in [""] + caption(r).split())


def controls(r):
    return "".join(w + r.choice([" ", r.choice(CONTROLS)]) for w in caption(r).split())


def entities(r):
    text = mixed(r, ENTITIES, 6)
    if r.random() < 0.2:
        name = r.choice(list(HTML_ENTITIES))
        text += r.choice([name, name[:-1], name.upper(), name + "x", "&amp;" + name[1:]])
    return text


def misread(r, text):
    try:
        return text.encode().decode(r.choice(CHARMAP_ENCODINGS))
    except UnicodeDecodeError:
        return text


def mojibake(r):
    text = " ".join(r.choice(MEANT) for _ in range(r.randint(1, 4)))
    for _ in range(r.choice([1, 1, 1, 2])):
        text = misread(r, text)
    alter = r.randrange(6)
    if alter == 0:
        text = text.replace("\xa0", " ")
    elif alter == 1:
        text = "".join(r.choice("\ufffd?") if c > "\x7f" and r.random() < 0.1 else c for c in text)
    elif alter == 2:
        text = f"{caption(r)} {text}" + r.choice(["", " “ok”", " 日本", "\nnext line é"])
    return text


def suspect(r):
    return "".join(r.choice("aZ s\n_1?") if r.random() < 0.3 else r.choice(SUSPECT)
                   for _ in range(r.randint(2, 9)))


def anything(r):
    return "".join(r.choice(ASSIGNED) if r.random() < 0.7 else r.choice("a1 '.Σ\u0301")
                   for _ in range(r.randint(1, 12)))


def long(r):
    kind = r.randrange(4)
    if kind == 0:
        return " ".join(caption(r) for _ in range(r.choice([12, 30, 300])))
    letters = ["", "aabbcd", "!?.", "漢字"][kind]
    return "".join(r.choice(letters) for _ in range(r.choice([80, 400, 10000])))


KINDS = [  # name, how many, maker
    ("caption", 900, caption),
    ("accents", 300, accents),
    ("scripts", 300, lambda r: mixed(r, SCRIPTS)),
    ("emoji", 250, lambda r: mixed(r, EMOJI)),
    ("spaces", 250, spaces),
    ("controls", 250, controls),
    ("entities", 600, entities),
    ("widths", 300, lambda r: mixed(r, WIDTHS)),
    ("digits", 150, lambda r: mixed(r, DIGITS)),
    ("special", 150, lambda r: mixed(r, LITERALS)),
    ("mojibake", 900, mojibake),
    ("suspect", 700, suspect),
    ("anything", 500, anything),
    ("long", 16, long),
    ("newer", 20, lambda r: mixed(r, NEWER) + r.choice(NEWER)),
]


def texts(seed, scale):
    """(kind, text) without repetition."""
    rows = [("fixed", text) for text in FIXED + ENTITIES + LITERALS + WIDTHS + MEANT]
    for name, count, make in KINDS:
        r = random.Random(f"{seed} {name}")
        rows += [(name, make(r)) for _ in range(int(count * scale))]
    return dict.fromkeys(rows)


def module_of(package, file):
    """One module of a package without the rest, which wants torchvision."""
    folder = pathlib.Path(importlib.util.find_spec(package).submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location(file, folder / f"{file}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[file] = module
    spec.loader.exec_module(module)
    return module


def openai_tokenizer(open_clip):
    """open_clip's copy with OpenAI's names of the two special tokens: the one thing it changed."""
    own = open_clip.SimpleTokenizer()
    for theirs, original in zip(["<start_of_text>", "<end_of_text>"], SPECIALS):
        own.encoder[original] = own.encoder.pop(theirs)
        del own.cache[theirs]
        own.cache[original] = original
    names = "|".join(special.replace("|", r"\|") for special in SPECIALS)
    pattern = own.pat.pattern.replace("<start_of_text>|<end_of_text>", names)
    own.pat = open_clip.re.compile(pattern, open_clip.re.IGNORECASE)
    return own


def huggingface_tokenizer(openai):
    from transformers import CLIPTokenizer
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "vocab.json").write_text(json.dumps(openai.encoder))
        merges = sorted(openai.bpe_ranks, key=openai.bpe_ranks.get)
        lines = ["#version: 0.2"] + [" ".join(merge) for merge in merges]
        (folder / "merges.txt").write_text("\n".join(lines) + "\n")
        return CLIPTokenizer.from_pretrained(folder)


def token_rows(seed, scale):
    module = module_of("open_clip", "tokenizer")
    open_clip, openai = module.SimpleTokenizer(), openai_tokenizer(module)
    huggingface = huggingface_tokenizer(openai)
    for kind, text in texts(seed, scale):
        row = {"kind": kind, "text": text, "openai": openai.encode(text)}
        others = {"open_clip": open_clip.encode(text),
                  "huggingface": huggingface(text, add_special_tokens=False)["input_ids"]}
        row.update({name: ids for name, ids in others.items() if ids != row["openai"]})
        if len(others["open_clip"]) > 75:
            row["context"] = open_clip(text)[0].tolist()
        yield row


def piece_rows(folder):
    import sentencepiece
    r = random.Random("pieces")
    # In a run of equal characters several segmentations tie, and versions break ties differently.
    captions = [caption(r).replace("...", "").replace("!!", "") for _ in range(460)]
    training = [text.lower() for text in captions[:400]]
    with open(folder / "pieces.model", "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(training), model_writer=file, vocab_size=300,
            hard_vocab_limit=False, normalization_rule_name="identity", num_threads=1, pad_id=3,
            minloglevel=3)
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "pieces.model"))
    for text in training[:60] + captions[400:] + WORDS + SCRIPTS + EMOJI + FIXED:
        words = " ".join(text.split())
        lower = "".join(c.lower() for c in words)  # character by character, as the tokeniser's is
        yield {"text": text, "cased": model.encode(words), "lower": model.encode(lower)}


def write(path, rows):
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as out:
        out.write("\n".join(lines).encode() + b"\n")
    print(f"{path}: {len(lines)} strings, {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1, help="so many times the strings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests/fixtures/text")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    write(args.out / "tokens.jsonl.gz", token_rows(args.seed, args.scale))
    write(args.out / "pieces.jsonl.gz", piece_rows(args.out))


if __name__ == "__main__":
    main()
