#!/usr/bin/env python3
"""Holds every #include "vtr/<module>/..." against the layers of src/CMakeLists.txt.

A module may include itself and what stands after its DEPENDS, may depend only on modules listed
before it, and keeps in include/vtr/<module>/ only what someone outside it includes (or another
public header does). Prints a line a violation and exits 1. --self-test tries each rule on a tree
that breaks it.
"""
import pathlib
import re
import sys
import tempfile


def layers(cmake):
    """{module: [what it depends on]}, in the file's order."""
    text = re.sub(r"#.*", "", cmake.read_text())
    calls = (body.split() for body in re.findall(r"\bvtr_module\(([^)]*)\)", text))
    return {words[0]: depends(words) for words in calls}


def depends(words):
    start = words.index("DEPENDS") + 1 if "DEPENDS" in words else len(words)
    end = next((i for i in range(start, len(words)) if words[i].isupper()), len(words))
    return words[start:end]


def owner(path):
    """src/eval/x.cc, include/vtr/eval/x.h and tests/eval/x_test.cc belong to eval."""
    return path.parts[2 if path.parts[0] == "include" else 1]


def violations(root):
    modules = layers(root / "src/CMakeLists.txt")
    names, found, used = list(modules), [], set()
    for i, name in enumerate(names):
        for other in modules[name]:
            if other not in names[:i]:
                found.append(f"src/CMakeLists.txt: {name} depends on {other}, not listed before it")
    files = sorted(path.relative_to(root) for top in ("include", "src", "tests", "tools")
                   for path in (root / top).rglob("*") if path.suffix in (".h", ".cc", ".cu"))
    for path in files:
        module = owner(path)
        layered = path.parts[0] in ("include", "src") and path != pathlib.Path("src/pch.cc")
        if layered and module not in modules:
            found.append(f"{path}: {module} is no module of src/CMakeLists.txt")
            continue
        lines = (root / path).read_text(errors="replace").splitlines()
        for number, line in enumerate(lines, 1):
            include = re.match(r'\s*#\s*include\s*["<](vtr/(\w+)/.*?|.*\.\./.*?)[">]', line)
            if not include:
                continue
            header, target = include.groups()
            if target != module or path.parts[0] == "include":
                used.add(header)
            if target is None:
                found.append(f"{path}:{number}: {header}: include by full path, without ..")
            elif layered and target != module and target not in modules[module]:
                found.append(f"{path}:{number}: {module} may not include {header}: "
                             f"{target} is not in its DEPENDS")
    for path in files:
        if path.parts[0] == "include" and str(path.relative_to("include")) not in used:
            found.append(f"{path}: no one outside {owner(path)} includes it: "
                         f"it belongs in src/{owner(path)}/")
    return found


def self_test():
    good = {"src/CMakeLists.txt": "vtr_module(core LIBS fmt)  # vtr_module(no)\n"
                                  "vtr_module(text TORCH DEPENDS core\n  PRIVATE_LIBS zlib)\n"
                                  "vtr_module(eval DEPENDS core)\n",
            "include/vtr/core/a.h": '#include "vtr/core/b.h"\n', "include/vtr/core/b.h": "",
            "src/core/a.cc": '#include "vtr/core/a.h"\n',
            "src/text/x.cc": '#include "vtr/core/a.h"\n'}
    use = '#include "vtr/text/t.h"\n'
    cases = [
        ({}, []),
        ({"src/CMakeLists.txt": "vtr_module(text DEPENDS core) vtr_module(core)"}, ["depends on"]),
        ({"src/core/c.cc": "\n # include <vtr/eval/a.h>\n"}, ["src/core/c.cc:2: core may not"]),
        ({"include/vtr/text/t.h": "", "src/eval/e.cc": use}, ["eval may not"]),
        ({"include/vtr/text/t.h": "", "tests/text/t_test.cc": use}, ["no one outside"]),
        ({"include/vtr/text/t.h": "", "tests/support/t.h": use}, []),
        ({"src/text/y.cc": '#include "../core/a.h"\n'}, ["without .."]),
        ({"src/other/o.cc": ""}, ["other is no module"]),
    ]
    for changes, expected in cases:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {**good, **changes}.items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            found = violations(pathlib.Path(folder))
        if len(found) != len(expected) or any(e not in f for e, f in zip(expected, found)):
            return [f"self-test: {changes}: expected {expected}, found {found}"]
    return []


if __name__ == "__main__":
    root = pathlib.Path(__file__).resolve().parent.parent
    problems = self_test() if sys.argv[1:] == ["--self-test"] else violations(root)
    print(*problems, sep="\n", end="\n" if problems else "")
    sys.exit(1 if problems else 0)
