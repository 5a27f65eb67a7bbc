"""Python imports this first in every process whose path begins with this folder, workers included."""

import os

if os.environ.get("MATCHER_PRETEND") == "windows":
    import importlib.util

    path = os.path.join(os.path.dirname(os.path.dirname(__file__)), "windows.py")
    spec = importlib.util.spec_from_file_location("pretended_windows", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.pretend()
