"""An S3 server on a free port of loopback, with one empty bucket named `state`. Prints its address, ends when its standard input does.

With the argument `locked` every request but the one that makes the bucket needs an access key that the server knows, and it knows none.
"""

import logging
import os
import sys
import urllib.request

if "locked" in sys.argv:
    os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "1"

from moto.server import ThreadedMotoServer  # noqa: E402  it reads the variable when it is imported

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
host, port = server.get_host_and_port()
signed = "AWS4-HMAC-SHA256 Credential=tests/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none"
request = urllib.request.Request(f"http://{host}:{port}/state", method="PUT", headers={"Authorization": signed})
urllib.request.urlopen(request).read()
print(f"s3 at http://{host}:{port}", flush=True)
sys.stdin.read()
os._exit(0)
