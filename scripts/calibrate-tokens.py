#!/usr/bin/env python3
"""Fits the weights of report/src/estimate/tokens.rs to o200k_base and measures `cost-rhythm estimate` on texts that they were not fitted to.

    python3 calibrate-tokens.py TABLES TRANSLATED PROGRAM     # needs numpy, scipy and tiktoken from PyPI

TABLES: a directory with o200k_base.tiktoken and cl100k_base.tiktoken, such as `assets` of the crate tiktoken-rs 0.7.0 in cargo's registry.
TRANSLATED: the unpacked wheel of Django 5.2, for its translations and its Python.
PROGRAM: target/debug/cost-rhythm.
README files, Rust and JSON are those of the crates in cargo's registry: another registry gives slightly other figures.
"""
import base64, collections, glob, hashlib, json, os, random, re, subprocess, sys

import numpy as np
import tiktoken
import tiktoken_ext.openai_public as public
from scipy.optimize import nnls

TABLES, TRANSLATED, PROGRAM = sys.argv[1:4]
REGISTRY = os.path.expanduser("~/.cargo/registry/src/*/")
LENGTH = 6000
GROUPS = {
    "English (README files)": ["readme"], "Rust, Python": ["rust", "python"], "JSON": ["json"], "German, French, Spanish, Italian, Polish": "de fr es it pl".split(),
    "Russian, Ukrainian": ["ru", "uk"], "Korean, Japanese, Chinese": "ko ja zh_Hans zh_Hant".split(), "Arabic, Hindi": ["ar", "hi"],
}
NAMES = "word letter_beyond_sixth accented three_digits lines indent punctuation_run punctuation kana hangul han cyrillic other_letter other".split()


def table(url, **_):
    lines = open(os.path.join(TABLES, url.split("/")[-1]), "rb").read().splitlines()
    return {base64.b64decode(text): int(rank) for text, rank in (line.split() for line in lines if line)}


def excerpts(kind, files, count):
    files = sorted(files)
    random.shuffle(files)
    found = []
    for file in files:
        try:
            text = open(file, encoding="utf-8").read()
        except (OSError, UnicodeDecodeError):
            continue
        if len(text) >= 1500 and len(found) < count:
            start = random.randrange(max(1, len(text) - LENGTH))
            found.append((kind, text[start:start + LENGTH], file))
    return found


def translations(language):
    strings = []
    for file in sorted(glob.glob(f"{TRANSLATED}/django/**/locale/{language}/LC_MESSAGES/*.po", recursive=True)):
        for match in re.finditer(r'msgstr(?:\[\d\])? ((?:"(?:[^"\\]|\\.)*"\s*)+)', open(file, encoding="utf-8").read()):
            text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', match.group(1))).replace("\\n", "\n").replace('\\"', '"')
            if len(text) > 25 and "Project-Id" not in text:
                strings.append(text)
    eighths = ("\n".join(strings[part::8]) for part in range(8))
    return [(language, text[:LENGTH], part) for part, text in enumerate(eighths) if len(text) > 300]


def kind(one):
    code = ord(one)
    if one == "\n": return "lines"
    if one.isspace(): return "indent"
    if one.isascii(): return "word" if one.isalpha() else "three_digits" if one.isdigit() else "punctuation"
    if 0x3040 <= code <= 0x30FF: return "kana"
    if 0xAC00 <= code <= 0xD7A3: return "hangul"
    if 0x3400 <= code <= 0x9FFF or 0x20000 <= code <= 0x3FFFF: return "han"
    if not one.isalpha(): return "other"
    return "word" if code < 0x250 else "cyrillic" if 0x400 <= code < 0x530 else "other_letter"


def counts(text):
    """As tokens.rs counts, but for marks of Indic scripts, which Rust takes for letters."""
    found, before, run, after_lower = collections.Counter(), None, 0, False
    for one in text:
        now = kind(one)
        same = now == before
        if now == "word":
            new = not same or (one.isupper() and after_lower)
            run = 1 if new else run + 1
            found["word"] += new
            found["letter_beyond_sixth"] += run > 6
            found["accented"] += not one.isascii()
            after_lower = one.islower()
        elif now == "three_digits":
            run = run % 3 + 1 if same else 1
            found[now] += run == 1
        elif now == "lines":
            found[now] += not same
        elif now == "indent":
            run = run + 1 if same else 1
            found[now] += run == 2
        else:
            found[now] += 1
            found["punctuation_run"] += now == "punctuation" and not same
        before = now
    return [found[name] for name in NAMES]


def estimated(text):
    output = subprocess.run([PROGRAM, "estimate", "-", "--json"], input=text.encode(), capture_output=True, check=True)
    return json.loads(output.stdout)["input_tokens"]


public.load_tiktoken_bpe = table
random.seed(7)
texts = excerpts("readme", glob.glob(REGISTRY + "*/README.md"), 80)
texts += excerpts("rust", glob.glob(REGISTRY + "*/src/**/*.rs", recursive=True), 60)
texts += excerpts("python", glob.glob(f"{TRANSLATED}/django/**/*.py", recursive=True), 60)
texts += excerpts("json", glob.glob(REGISTRY + "*/**/*.json", recursive=True), 40)
for language in "de fr es it pl ru uk ko ja zh_Hans zh_Hant ar hi".split():
    texts += translations(language)
held_out = np.array([hashlib.md5(at.encode()).digest()[0] % 2 == 0 if isinstance(at, str) else at % 2 == 0 for _, _, at in texts])
features = np.array([counts(text) for _, text, _ in texts], float)
by_program = np.array([estimated(text) for _, text, _ in texts], float)
for name in ("o200k_base", "cl100k_base"):
    encoding = tiktoken.Encoding(**getattr(public, name)())
    true = np.array([len(encoding.encode(text, disallowed_special=())) for _, text, _ in texts], float)
    if name == "o200k_base":
        fitted, _ = nnls(features[~held_out] / true[~held_out, None], np.ones((~held_out).sum()))
        print("hundredths:", dict(zip(NAMES, (fitted * 100).round().astype(int).tolist())))
    error = 100 * (by_program / true - 1)
    for group, kinds in {**GROUPS, "all": sum(GROUPS.values(), [])}.items():
        of = error[[index for index, (kind, _, _) in enumerate(texts) if kind in kinds and held_out[index]]]
        print(f"{name:12} {group:42} {len(of):4} texts, median {np.median(abs(of)):5.1f} %, nine of ten {np.percentile(abs(of), 90):5.1f} %, worst {of[abs(of).argmax()]:+6.1f} %")
