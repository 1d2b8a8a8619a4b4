"""A stand-in for Lambda's Python base image, where the real one cannot be pulled.

It holds this machine's own CPython, the shared libraries that it needs, a shell, and Lambda's runtime client from PyPI.
It checks packaging, layers, the wiring of handlers, and events. It is not Amazon Linux, and says nothing about it.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
TAG = f"public.ecr.aws/lambda/python:3.12-{ARCHITECTURE}"
"""The name that sam's generated Dockerfile builds on."""

_BOOTSTRAP = """#!/bin/sh
export PYTHONPATH="/opt/python:/opt/python/lib/python3.12/site-packages:/var/runtime"
exec /var/lang/bin/python3.12 -m awslambdaric "$_HANDLER"
"""
_PROGRAMS = ("sh", "mv", "chmod", "cp", "rm", "mkdir", "ls", "cat")
_LIBRARY = re.compile(r"(/\S+\.so[.\w]*)")


def make(docker: list[str], runtime: Path) -> None:
    """Make the image with the command ``docker``; ``runtime`` is the ``site-packages`` with the runtime client."""
    with tempfile.TemporaryDirectory(prefix="dwell-image-") as folder:
        root = Path(folder)
        _lay_out(root, runtime)
        changes = [
            "ENV PATH=/var/lang/bin:/usr/bin:/bin LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime TZ=UTC",
            "WORKDIR /var/task",
            'ENTRYPOINT ["/var/runtime/bootstrap"]',
        ]
        options = [part for change in changes for part in ("--change", change)]
        with subprocess.Popen(["tar", "-C", folder, "-cf", "-", "."], stdout=subprocess.PIPE) as archive:
            given = archive.stdout
            subprocess.run([*docker, "import", *options, "-", TAG], stdin=given, check=True, capture_output=True)
        if archive.returncode:
            raise RuntimeError("the image could not be packed")


def pointed_at(docker: list[str], variables: dict[str, str]) -> None:
    """Give the image variables: sam passes on only those that the template declares for a function."""
    lines = [f"FROM {TAG}", *(f'ENV {name}="{value}"' for name, value in variables.items())]
    subprocess.run(
        [*docker, "build", "--quiet", "--tag", TAG, "-"], input="\n".join(lines).encode(), check=True,
        capture_output=True, env={**os.environ, "DOCKER_BUILDKIT": "0"},
    )  # fmt: skip


def _lay_out(root: Path, runtime: Path) -> None:
    for folder in ("tmp", "var/task", "var/runtime", "opt", "etc", "usr/bin", "var/lang/bin", "lib64", "proc", "dev"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "bin").symlink_to("usr/bin")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nsbx_user1051:x:993:990::/home/sbx:/bin/sh\n")
    interpreter = Path(sys.executable).resolve()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copy2(interpreter, root / "var/lang/bin" / version)
    (root / "var/lang/bin/python3").symlink_to(version)
    standard = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix, "base": sys.base_prefix}))
    skipped = shutil.ignore_patterns("test", "tests", "idlelib", "tkinter", "site-packages", "__pycache__", "config-*")
    shutil.copytree(standard, root / "var/lang/lib" / version, ignore=skipped, symlinks=True)
    shutil.copytree(runtime, root / "var/runtime", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    bootstrap = root / "var/runtime/bootstrap"
    bootstrap.write_text(_BOOTSTRAP)
    bootstrap.chmod(0o755)
    programs = [Path(found) for name in _PROGRAMS if (found := shutil.which(name))]
    for program in programs:
        shutil.copy2(program.resolve(), root / "usr/bin" / program.name)
    extensions = [*(root / "var/lang/lib").rglob("*.so"), *(root / "var/runtime").rglob("*.so")]
    for library in sorted(_libraries([interpreter, *programs, *extensions])):
        target = root / library.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library, target)


def _libraries(programs: list[Path]) -> set[Path]:
    """Every shared library that the programs load, and those that Python opens by name."""
    found: set[Path] = set()
    for program in programs:
        listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
        found |= {Path(path) for path in _LIBRARY.findall(listed) if path.startswith(("/lib", "/usr", "/root"))}
    for name in ("libpthread.so.0", "libstdc++.so.6", "libgcc_s.so.1", "libdl.so.2", "librt.so.1", "libutil.so.1"):
        found |= {path for folder in ("/lib", "/usr/lib") for path in Path(folder).glob(f"*-linux-gnu/{name}")}
    return {path for path in found if path.exists()}
