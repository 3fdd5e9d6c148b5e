#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""options.py GLINT PAGE.in PAGE   puts the options that the program knows into its manual page."""
import subprocess
import sys

program, source, target = sys.argv[1:]
options = subprocess.run([program, 'config', 'man'], check=True, capture_output=True, text=True).stdout
with open(source) as f:
    page = f.read()
with open(target, 'w') as f:
    f.write(page.replace('@OPTIONS@\n', options))
