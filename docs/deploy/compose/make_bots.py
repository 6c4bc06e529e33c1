#!/usr/bin/env python3
"""Creates bots on a Mattermost server and writes the token of each into a file.

    make_bots.py --prepare            creates the password of the database, before the first `docker compose up`
    make_bots.py helpdesk deploys     creates an administrator, a team, a channel, these bots and their tokens

Without --admin-token the server must be new: its first user becomes its administrator. The script can be run again:
existing teams, channels and tokens are kept.
"""

import argparse
import json
import os
import pathlib
import secrets
import sys
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
# Long enough for a new server to create its tables.
SERVER_WITHIN_S = 180
REQUEST_WITHIN_S = 20
LOOK_EVERY_S = 1


class Refused(Exception):
    """The server answered with a status other than 2xx."""

    def __init__(self, request, status, message):
        super().__init__(f"{request}: the server answered {status}: {message}")
        self.status = status


class Server:
    """A client of the API; sends a token once it has one."""

    def __init__(self, url, token=None):
        self.url, self.token = url.rstrip("/"), token

    def ask(self, method, path, body=None):
        """Returns the answer and its headers."""
        request = urllib.request.Request(f"{self.url}/api/v4{path}", method=method)
        request.add_header("Content-Type", "application/json")
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, data, REQUEST_WITHIN_S) as answer:
                return json.loads(answer.read() or b"null"), answer.headers
        except urllib.error.HTTPError as error:
            # Mattermost explains errors in `message`; a proxy may answer anything.
            try:
                message = json.loads(error.read()).get("message", "")
            except (ValueError, AttributeError):
                message = "no JSON"
            raise Refused(f"{method} {path}", error.code, message) from None

    def get(self, path):
        return self.ask("GET", path)[0]

    def post(self, path, body):
        return self.ask("POST", path, body)[0]

    def find_or_create(self, find, path, body):
        """Returns the existing object, or creates it."""
        try:
            return self.get(find)
        except Refused as error:
            if error.status != 404:
                raise
        return self.post(path, body)

    def wait(self):
        end = time.monotonic() + SERVER_WITHIN_S
        while True:
            try:
                return self.get("/system/ping")
            except (Refused, OSError) as error:
                if time.monotonic() > end:
                    sys.exit(f"{self.url} does not answer ({error}); is it up? docker compose logs mattermost")
            time.sleep(LOOK_EVERY_S)


def write(path, text):
    """Writes a secret. Only its owner can enter the directory; the container's user must be able to read the file."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), "w", encoding="utf-8") as file:
        file.write(text + "\n")
    new.replace(path)


def prepare(directory):
    env, path = HERE / ".env", directory / "database"
    if path.exists():
        return
    password = secrets.token_hex(24)
    write(path, password)
    with open(os.open(env, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(f"COMPOSE_PROJECT_NAME=matterhost\nDATABASE_PASSWORD={password}\n")
    print(f"wrote {path} and {env}")


def become_admin(server, directory):
    """Creates the first user unless it exists, and logs in."""
    path = directory / "admin-password"
    if not path.exists():
        # Contains capitals, digits and symbols, in case the server requires them.
        password = f"Aa1-{secrets.token_urlsafe(24)}"
        server.post("/users", {"username": "admin", "email": "admin@localhost.example", "password": password})
        write(path, password)
        print(f"created the user admin; the password is in {path}")
    login = {"login_id": "admin", "password": path.read_text(encoding="utf-8").strip()}
    server.token = server.ask("POST", "/users/login", login)[1]["Token"]


def create_bots(server, args):
    team = server.find_or_create(
        f"/teams/name/{args.team}", "/teams", {"name": args.team, "display_name": args.team, "type": "O"}
    )
    channel = server.find_or_create(
        f"/teams/{team['id']}/channels/name/{args.channel}",
        "/channels",
        {"team_id": team["id"], "name": args.channel, "display_name": args.channel, "type": "O"},
    )
    for name in args.bots:
        path = args.secrets / name
        if path.exists():
            print(f"{name}: {path} exists and is kept")
            continue
        bot = server.post("/bots", {"username": name, "display_name": name, "description": "hosted by matterhost"})
        user = bot["user_id"]
        server.post(f"/teams/{team['id']}/members", {"team_id": team["id"], "user_id": user})
        server.post(f"/channels/{channel['id']}/members", {"user_id": user})
        write(path, server.post(f"/users/{user}/tokens", {"description": "matterhost"})["token"])
        print(f"{name}: wrote the token to {path}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bots", nargs="*", metavar="BOT", help="user names of the bots")
    parser.add_argument("--prepare", action="store_true", help="only create the password of the database")
    parser.add_argument("--url", default="http://localhost:8065", help="URL of the server (%(default)s)")
    parser.add_argument("--admin-token", metavar="FILE", help="a file with an administrator's token")
    parser.add_argument("--team", default="crew", help="team of the bots (%(default)s)")
    parser.add_argument("--channel", default="bots", help="channel of the bots (%(default)s)")
    parser.add_argument("--secrets", type=pathlib.Path, default=HERE / "secrets", help="directory for the tokens")
    args = parser.parse_args()
    if not args.prepare and not args.bots:
        parser.error("name at least one bot")
    return args


def main():
    args = arguments()
    try:
        if args.prepare:
            return prepare(args.secrets)
        server = Server(args.url)
        server.wait()
        if args.admin_token:
            server.token = pathlib.Path(args.admin_token).read_text(encoding="utf-8").strip()
        else:
            become_admin(server, args.secrets)
        create_bots(server, args)
    except (Refused, OSError) as error:
        sys.exit(f"make_bots.py: {error}")


if __name__ == "__main__":
    main()
