"""A mail server for tests, on a port of its own: each mail it takes becomes a file. It ends when its standard input closes.

smtpd.py FOLDER [tls|starttls CERTIFICATE KEY] [login USER PASSWORD] [no-goodbye]

With no-goodbye it never answers QUIT.

A file FOLDER/refuse has the answer that it gives instead of taking a mail.
"""

import asyncio
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Keeper:
    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    async def handle_DATA(self, server, session, envelope):
        refuse = os.path.join(self.folder, "refuse")
        if os.path.exists(refuse):
            with open(refuse) as answer:
                return answer.read().strip()
        self.count += 1
        secured = "yes" if session.ssl is not None else "no"
        head = f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {','.join(envelope.rcpt_tos)}\r\nX-Secured: {secured}\r\n"
        name = os.path.join(self.folder, f"{self.count:06}")
        with open(name + ".part", "wb") as file:
            file.write(head.encode() + envelope.original_content)
        os.rename(name + ".part", name + ".eml")
        return "250 kept"


class Silent(SMTP):
    async def smtp_QUIT(self, arg):
        await asyncio.sleep(3600)


async def main(folder, words):
    options = {}
    context = None
    if words[:1] in (["tls"], ["starttls"]):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(words[1], words[2])
        if words[0] == "starttls":
            options.update(tls_context=context, require_starttls=True)
            context = None
        words = words[3:]
    if words[:1] == ["login"]:
        known = (words[1].encode(), words[2].encode())

        def authenticate(server, session, envelope, mechanism, data):
            return AuthResult(success=(data.login, data.password) == known, handled=False)

        options.update(authenticator=authenticate, auth_required=True)
        words = words[3:]
    kind = Silent if words == ["no-goodbye"] else SMTP
    keeper = Keeper(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: kind(keeper, hostname="localhost", **options), "127.0.0.1", 0, ssl=context
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(main(sys.argv[1], sys.argv[2:]))
