"""Runs inside the sandbox, in the workspace: takes its context files away and gives them back afterwards.

Reads a JSON object from standard input and answers with one on the report. Python 3.8 or newer, standard library.
"""

import base64
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

NAMES = {
    *("AGENTS.md", "AGENT.md", "AGENTS.override.md", "CLAUDE.md", "CLAUDE.local.md", "GEMINI.md", "QWEN.md"),
    *(".cursorrules", ".windsurfrules", ".clinerules", ".goosehints", ".rules", "CONVENTIONS.md"),
}
PATHS = {".github/copilot-instructions.md", ".junie/guidelines.md", ".claude/CLAUDE.md"}
FOLDERS = (".cursor/rules/", ".claude/rules/", ".openhands/microagents/", ".github/instructions/", ".agents/skills/")
SKIPPED = {".git", "node_modules", ".venv", "venv", "site-packages"}


def main():
    """Do what is asked."""
    asked = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    answer = take(asked["write"]) if asked["do"] == "take" else give_back(asked["taken"], asked["wrote"])
    with os.fdopen(os.dup(int(os.environ["WORKTRIAL_REPORT_FD"])), "wb") as report:
        report.write(json.dumps(answer).encode())


def take(write):
    """Remove what is there, write what is asked, and return both as they have to be known later."""
    taken = []
    for path in found():
        name = path.as_posix()
        info = os.lstat(name)
        if stat.S_ISLNK(info.st_mode):
            taken.append({"path": name, "link": os.readlink(name)})
        else:
            content = base64.b64encode(path.read_bytes()).decode()
            taken.append({"path": name, "content": content, "mode": stat.S_IMODE(info.st_mode)})
        os.unlink(name)
    for name, text in write.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, "utf-8")
    hide([one["path"] for one in taken], list(write))
    return {"taken": taken, "wrote": write}


def found():
    """Return the context files of the current folder, links to files included."""
    files = []
    for folder, folders, names in os.walk("."):
        folders[:] = [name for name in folders if name not in SKIPPED]
        for name in names:
            path = Path(folder, name)
            text = path.as_posix()
            special = any(text.startswith(start) or "/" + start in text for start in FOLDERS)
            if name in NAMES or text in PATHS or special:
                mode = os.lstat(text).st_mode
                if stat.S_ISREG(mode) or stat.S_ISLNK(mode):
                    files.append(path)
    return files


def hide(taken, wrote):
    """Keep `git status` from telling of it, where there is a git."""
    if not os.path.isdir(".git"):
        return
    try:
        for name in taken:
            git = ["git", "update-index", "--skip-worktree", "--", name]
            subprocess.run(git, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        os.makedirs(".git/info", exist_ok=True)
        with open(".git/info/exclude", "a") as exclude:
            exclude.write("".join(f"/{name}\n" for name in wrote if name not in taken))
    except OSError as error:
        sys.stderr.write(f"{error}\n")


def give_back(taken, wrote):
    """Remove what was written and restore what was taken, but for paths where the agent made something of its own."""
    for name in wrote:
        if os.path.isfile(name) or os.path.islink(name):
            os.unlink(name)
    for one in taken:
        path = Path(one["path"])
        if os.path.lexists(str(path)) or not inside(path.parent):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if "link" in one:
            os.symlink(one["link"], str(path))
        else:
            path.write_bytes(base64.b64decode(one["content"]))
            path.chmod(one["mode"])
    return {}


def inside(folder):
    """Tell whether a folder, as far as it exists, is below the current one: the agent may have put a link there."""
    return Path(os.path.realpath(str(folder))).as_posix().startswith(os.getcwd())


main()
