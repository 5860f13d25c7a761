#!/usr/bin/env bash
# Sets everything up and builds the documentation site into site/. Takes mkdocs' commands and flags:
#   bash scripts/docs.sh           # build, where a warning is an error
#   bash scripts/docs.sh serve     # serve at http://127.0.0.1:8000 and rebuild on every change
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh requirements-docs.txt
export NO_MKDOCS_2_WARNING=true
if [ $# -eq 0 ]; then set -- build --strict --site-dir site; fi
exec .venv/bin/mkdocs "$@"
