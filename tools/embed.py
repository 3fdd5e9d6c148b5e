#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embed.py SYMBOL INPUT OUTPUT.c: a text file as a zero-terminated `const char SYMBOL[]`."""
import sys


def main():
    symbol, source, target = sys.argv[1:]
    with open(source, "rb") as f:
        data = f.read()
    if b"\0" in data:
        sys.exit(f"{source}: a NUL byte cannot be embedded as text")
    with open(target, "w", encoding="ascii") as out:
        out.write(f"extern const char {symbol}[];\nconst char {symbol}[] = {{\n")
        for i in range(0, len(data), 20):
            out.write("    " + " ".join(f"{b}," if b < 128 else f"(char){b}," for b in data[i:i + 20]) + "\n")
        out.write("    0\n};\n")


main()
