"""The registry is cheap to import."""

import subprocess
import sys


def test_importing_baselines_and_evaluation_imports_nothing_heavy() -> None:
    code = "import sys, drrec.baselines, drrec.evaluation.report; "
    code += "sys.exit(bool({'tensorflow', 'keras', 'torch', 'matplotlib'} & set(sys.modules)))"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert result.returncode == 0
