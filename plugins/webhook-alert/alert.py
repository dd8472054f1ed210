"""Posts one alert, given as a line of JSON, to the address in WEBHOOK_URL. Standard library only."""

import json
import os
import sys
import urllib.error
import urllib.request

# Less than the plugin's own limit, so that what went wrong can still be said.
TIMEOUT_SECONDS = 10


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Another address than the one in WEBHOOK_URL is given neither alert nor token."""

    def redirect_request(self, *args):
        return None


def main():
    alert = json.loads(sys.stdin.readline())["alert"]
    url = os.environ.get("WEBHOOK_URL", "")
    if not url.startswith(("https://", "http://")):
        return "WEBHOOK_URL is not set to an address that starts with https://"
    text = "{severity}: {title}".format(**alert)
    body = json.dumps({"text": text + "\n" + alert.get("detail", ""), **alert}).encode()
    headers = {"Content-Type": "application/json"}
    if os.environ.get("WEBHOOK_TOKEN"):
        headers["Authorization"] = "Bearer " + os.environ["WEBHOOK_TOKEN"]
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    opener = urllib.request.build_opener(NoRedirect, urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS):
            return None
    except urllib.error.HTTPError as error:
        return "The server answered {}".format(error.code)
    except OSError as error:
        # Never the address itself: it often holds a secret.
        return "The server cannot be reached: {}".format(getattr(error, "reason", error))


if __name__ == "__main__":
    sys.exit(main())
