"""Secrets and people made up at run time: no text of this repository looks like a key."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable
from dataclasses import dataclass

from worktrial.redaction.people import Identities

LOWER, LETTERS = string.ascii_lowercase, string.ascii_letters
ANY = LETTERS + string.digits
HEX = "0123456789abcdef"

AUTHORS = [
    ("Marta Kowalczyk", "marta.kowalczyk@nordlicht.io"),
    ("José García Márquez", "jose@garcia-web.es"),
    ("Tamsin O'Hara", "12345+tohara@users.noreply.github.com"),
    ("zplatform", "zplatform@corpmail.co.uk"),
    ("李 小龙", "lixl@buildhub.cn"),
]


@dataclass(frozen=True)
class Planted:
    """A line to hide in a text, and what of it must not be seen again."""

    line: str
    value: str


class Maker:
    """Makes planted lines, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def some(self, letters: str, length: int) -> str:
        return "".join(self.random.choice(letters) for _ in range(length))

    def key(self, prefix: str, letters: str, length: int) -> str:
        """Return a key as its issuer draws one: at random, so with a digit in it."""
        while True:
            tail = self.some(letters, length)
            if any(c.isdigit() for c in tail) or not set(letters) & set(string.digits):
                return prefix + tail

    def jwt(self) -> str:
        head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()).decode().rstrip("=")
        body = base64.urlsafe_b64encode(json.dumps({"sub": self.some(ANY, 8), "iat": 1}).encode()).decode().rstrip("=")
        return f"{head}.{body}.{self.some(ANY + '-_', 43)}"

    def block(self, kind: str) -> tuple[str, str]:
        body = "\n".join(self.some(ANY + "+/", 64) for _ in range(4))
        return f"-----BEGIN {kind}PRIVATE " + f"KEY-----\n{body}\n-----END {kind}PRIVATE " + "KEY-----", body


def keys(make: Maker) -> list[Planted]:
    """Return a line for every format that is known, in the ways that people write them."""
    formats = {
        "AK" + "IA": (string.ascii_uppercase + "234567", 16), "AS" + "IA": (string.ascii_uppercase + "234567", 16),
        "gh" + "p_": (ANY, 36), "gh" + "s_": (ANY, 36), "gh" + "o_": (ANY, 36), "github" + "_pat_": (ANY, 60),
        "gl" + "pat-": (ANY, 20), "glrt" + "-": (ANY, 20),
        "xox" + "b-": (string.digits, 24), "xox" + "p-": (ANY, 30), "xapp" + "-1-A": (ANY, 40),
        "AI" + "za": (ANY + "-_", 35), "ya29" + ".": (ANY, 60), "GOC" + "SPX-": (ANY, 28),
        "sk" + "_live_": (ANY, 24), "rk" + "_live_": (ANY, 24), "sk" + "_test_": (ANY, 24), "wh" + "sec_": (ANY, 32),
        "sk-" + "ant-api03-": (ANY, 80), "sk-" + "proj-": (ANY, 60), "sk-": (ANY, 48), "sk-or" + "-v1-": (HEX, 64),
        "np" + "m_": (ANY, 36), "pyp" + "i-AgEIcHlwaS5vcmc": (ANY, 80), "hf" + "_": (LETTERS, 34),
        "dop" + "_v1_": (HEX, 64), "dckr" + "_pat_": (ANY, 27), "dap" + "i": (HEX, 32), "shp" + "at_": (HEX, 32),
        "SK": (HEX, 32), "hv" + "s.": (ANY, 24), "gls" + "a_": (ANY, 40), "rubygems" + "_": (HEX, 48),
        "gs" + "k_": (ANY, 52), "lin" + "_api_": (ANY, 40), "AT" + "ATT3": (ANY, 60),
    }  # fmt: skip
    ways: list[Callable[[str], str]] = [
        lambda key: f"use {key} for it",
        lambda key: f'client = Client("{key}")',
        lambda key: f"export THING={key}",
    ]
    found = []
    for n, (prefix, (letters, length)) in enumerate(formats.items()):
        for way in (ways[n % 3], ways[(n + 1) % 3]):
            key = make.key(prefix, letters, length)
            found.append(Planted(way(key), key))
    for kind in ("", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "):
        text, body = make.block(kind)
        found += [Planted(text, body.split("\n")[0]), Planted(text, body.split("\n")[3])]
    for _ in range(4):
        token = make.jwt()
        found.append(Planted(f"Cookie: session={token}; Path=/", token))
    return found


def assignments(make: Maker) -> list[Planted]:
    """Return passwords and tokens of no known format, in the ways that programs are given them."""
    ways = [
        'password = "{}"', "DB_PASSWORD={}", "db_passwd: {}", '"apiKey": "{}",', "secret_key='{}'",
        "client_secret: '{}'",
        "AWS_SECRET_ACCESS_KEY={}", "curl -H 'Authorization: Bearer {}' https://api", "tool --password {} --now",
        'os.environ["AUTH_TOKEN"] = "{}"', "//npm.example.com/:_authToken={}", "mysql --password={} db",
        'requests.get(url, headers={{"Authorization": "token {}"}})', "aws_session_token={}", 'token := "{}"',
        "https://deploy:{}@git.nordlicht.io/x.git", "postgres://app:{}@db:5432/app", "redis://:{}@cache:6379/0",
        '{{\\"password\\": \\"{}\\"}}', "the password is {}",
    ]  # fmt: skip
    found = []
    for way in ways:
        for length in (14, 32):
            value = make.key("", ANY, length)
            found.append(Planted(way.format(value), value))
    return found


WAYS = [
    ("Mail {user}.x@{host}.com or not", "{user}.x@{host}"),
    ("WHO = '{user}@{host}.com'", "{user}@{host}"),
    ("[mail](mailto:{user}@{host}.com), <{user}@{host}.com>; x={user}@{host}.com", "{user}@{host}"),
    ('cwd="/home/{user}", home=/Users/{user}', "{user}"),
    ("cd '/home/{user}/x' && ls (/home/{user})", "{user}"),
    ('File "/home/{user}/src/app.py", line 3', "{user}"),
    ("open /Users/{user}/Library/x", "{user}"),
    ("C:\\Users\\{user}\\AppData", "{user}"),
    ("~/.claude/projects/-home-{user}-src-app/1.jsonl", "{user}"),
    ("{user}@{host}:~/src$ make", "{user}"),
    ("scp x {user}@{host}:/srv", "{host}"),
    ("GET https://{host}.internal:8080/health", "{host}"),
    ("HOSTNAME={host}", "{host}"),
    ("Nov  2 10:00:00 {host} sshd[12]: ok", "{host}"),
    ("reported by Neu {User} <{user}@{host}.org>", "{User}"),
]


def people(make: Maker) -> list[Planted]:
    """Return addresses, homes, hosts and names."""
    found = []
    for name, mail in AUTHORS:
        found.append(Planted(f"ask {mail} about it", mail))
        if " " in name:
            found += [
                Planted(f"as {name} said", name),
                Planted(f"# Copyright 2020 {name.upper()}", name.upper()),
                Planted(f"Signed-off-by: {name} <{mail}>", name),
            ]
    found.append(Planted("thanks @zplatform for this", "zplatform"))
    for way, value in WAYS * 4:
        parts = {"user": make.some(LOWER, 9), "host": f"{make.some(LOWER, 6)}-{make.some(string.digits, 2)}"}
        parts["User"] = parts["user"].capitalize()
        found.append(Planted(way.format(**parts), value.format(**parts)))
    return found


LOOK_ALIKES = [
    "commit 3f786850e387550fdab836ed7e6dc881de23001b and index 4b825dc..e69de29 100644",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "md5 d41d8cd98f00b204e9800998ecf8427e of an empty file",
    "id = 550e8400-e29b-41d4-a716-446655440000, token 550e8400-e29b-41d4-a716-446655440000",
    "user@example.com, a@b.example, git@github.com:pallets/click.git, noreply@github.com, you@example.org",
    "http://localhost:8000/x?y=1 and http://127.0.0.1:5000 and host.docker.internal",
    "https://user:password@example.com/ and postgres://localhost/db",
    "password = getpass.getpass('Password: ')",
    'password = os.environ["DB_PASSWORD"]',
    "def login(user: str, password: str | None = None, token: Optional[str] = None) -> None:",
    'api_key = "your-api-key-here-123"',
    "password: ${{ secrets.DB_PASSWORD }}",
    "secret_key = settings.SECRET_KEY",
    "token = self.tokenizer.next_token()",
    "AKIAIOSFODNN7EXAMPLE is the key of the manual",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "@pytest.mark.parametrize, @app.route and @property",
    "threading.local(), self.local.value, from werkzeug.local import Local",
    "logo@2x.png and vue@3.4.21 and lodash@4.17.21 and @types/node@20.1.0",
    "/home/user/project, /home/runner/work, /root/.cache, ~/src, /Users/runner/x",
    "key = hashlib.sha256(data).hexdigest()",
    'data-integrity="sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8KuxkpYzZHUvIlAgn1Z2Ci7fBjKsGq"',
    "int_token_count: 12345678, max_tokens=4096, token_limit = 200000",
    "The secret is to keep the token bucket small; pass the key to the function.",
    "sk-learn and sk-image are not keys, AIzaborra neither, gh_pages_branch_name_that_is_rather_long neither",
    "x = a @ b.T and y = weights@self.matrix",
    "See https://docs.python.org/3/library/re.html#module-re",
    "1.2.3-beta.4+20240131 and 10.0.0.1",
]
"""Lines that hold nothing of anybody."""


def identities() -> Identities:
    return Identities.of_authors(AUTHORS)
