"""The same network behind other servers: `peers.py fastapi MODEL PORT` or `peers.py mlserver MODEL PORT FOLDER`.

MODEL is what `veilsum-client model export --format torchscript` wrote. Each server is one process, and libtorch one thread, as with ours.
"""

import json
import os
import sys

import torch

torch.set_num_threads(1)


def score(model, rows):
    with torch.inference_mode():
        return model(torch.tensor(rows, dtype=torch.float32)).reshape(len(rows), -1)


def fastapi(path, port):
    import fastapi as library
    import uvicorn
    from pydantic import BaseModel

    model = torch.jit.load(path)
    app = library.FastAPI()

    class Request(BaseModel):
        inputs: list[list[float]]

    @app.post("/score")
    def answer(request: Request):
        return {"scores": score(model, request.inputs).tolist()}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


def mlserver(path, port, folder):
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": port + 1,
        "metrics_port": port + 2,
        # In the server's own process: one that answers over a pipe from another is slower on two cores.
        "parallel_workers": 0,
        "debug": False,
    }
    model = {"name": "mlp", "implementation": "runtime.Mlp", "parameters": {"uri": path}}
    runtime = """
import torch
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

class Mlp(MLModel):
    async def load(self):
        torch.set_num_threads(1)
        self.network = torch.jit.load(self.settings.parameters.uri)
        return True

    async def predict(self, payload):
        rows = NumpyCodec.decode_input(payload.inputs[0])
        with torch.inference_mode():
            scores = self.network(torch.from_numpy(rows)).reshape(len(rows), -1).numpy()
        output = NumpyCodec.encode_output("probability", scores)
        return InferenceResponse(model_name=self.name, outputs=[output])
"""
    os.makedirs(folder, exist_ok=True)
    for name, text in [
        ("settings.json", json.dumps(settings)),
        ("model-settings.json", json.dumps(model)),
        ("runtime.py", runtime),
    ]:
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)
    program = os.path.join(os.path.dirname(sys.executable), "mlserver")
    os.execv(program, [program, "start", folder])


if __name__ == "__main__":
    kind, path, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if kind == "fastapi":
        fastapi(path, port)
    else:
        mlserver(path, port, sys.argv[4])
