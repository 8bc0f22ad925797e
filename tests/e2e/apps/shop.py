"""An ordinary app: it uses the openai SDK and knows nothing of telemetry or costs. ``python shop.py CALLS.json``."""

import json
import sys
from pathlib import Path

from openai import OpenAI


def main() -> None:
    with OpenAI() as client:
        for kind, model, prompt in json.loads(Path(sys.argv[1]).read_text()):
            message = {"role": "user", "content": prompt}
            if kind == "chat":
                client.chat.completions.create(model=model, messages=[message])
            elif kind == "stream":
                for _ in client.chat.completions.create(model=model, messages=[message], stream=True):
                    pass
            elif kind == "responses":
                client.responses.create(model=model, input=prompt)
            else:
                client.embeddings.create(model=model, input=prompt)
    print("done")


if __name__ == "__main__":
    main()
