"""A place on the network that is not the Muster server: files by HTTPS, as a vendor's or a company's own server has them.

Arguments: address, port, folder, certificate with its key. What is asked for is printed, one line a request.
"""
import http.server
import os
import ssl
import sys

ADDRESS, PORT, FOLDER, PEM = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        print(self.path, self.headers.get("Range", "-"), flush=True)
        path = self.path.split("?")[0]
        if path.startswith("/moved/"):
            return self.redirect(path.removeprefix("/moved"))
        if path.startswith("/round/"):
            return self.redirect(self.path)
        if path.startswith("/down/"):
            return self.redirect(f"http://{self.headers['Host']}{path.removeprefix('/down')}")
        file = os.path.join(FOLDER, os.path.basename(path))
        if not os.path.isfile(file):
            return self.answer(404, b"")
        with open(file, "rb") as opened:
            data = opened.read()
        asked = self.headers.get("Range")
        if not asked:
            return self.answer(200, data)
        begin = int(asked.removeprefix("bytes=").removesuffix("-"))
        if begin >= len(data):
            return self.answer(416, b"")
        return self.answer(206, data[begin:], ("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}"))

    def redirect(self, location):
        self.answer(302, b"", ("Location", location))

    def answer(self, status, body, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer((ADDRESS, PORT), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(PEM)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
