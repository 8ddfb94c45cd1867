"""The peer of training.rs: the same training in PyTorch, from the same table and the same first parameters.

Takes a folder with spec.json, inputs.f32, labels.f32 and parameters.f32 (little-endian), and "for-loop" or "fused" for
how Adam steps. Trains once to warm up, then once for each line on standard input; answers with the seconds and the last
epoch's mean loss.

What is timed is less than on the product's side: the epochs alone, without making tensors, model and optimiser.
"""
import array
import json
import pathlib
import sys
import time
import warnings

# Without numpy, which nothing here needs.
warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
import torch
from torch import nn

folder, adam = pathlib.Path(sys.argv[1]), sys.argv[2]
spec = json.loads((folder / "spec.json").read_text())
torch.set_num_interop_threads(1)
torch.set_num_threads(spec["threads"])
torch.manual_seed(1)


def floats(name):
    values = array.array("f")
    values.frombytes((folder / name).read_bytes())
    return torch.frombuffer(values, dtype=torch.float32).clone()


shape, outputs = spec["shape"], spec["outputs"]
inputs = floats("inputs.f32").view(-1, *shape)
labels = floats("labels.f32")
if outputs > 1:
    labels = labels.long()
start = floats("parameters.f32")


class Gru(nn.Module):
    """The last step of a GRU, and one linear layer."""

    def __init__(self, width, units):
        super().__init__()
        self.recurrent = nn.GRU(width, units, batch_first=True)
        self.output = nn.Linear(units, outputs)

    def forward(self, sequences):
        return self.output(self.recurrent(sequences)[0][:, -1])


def mlp():
    layers, fan_in = [], shape[0]
    for units in spec["hidden"]:
        layers += [nn.Linear(fan_in, units), nn.ReLU()]
        fan_in = units
    return nn.Sequential(*layers, nn.Linear(fan_in, outputs))


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 5 * 5, 64), nn.ReLU(), nn.Linear(64, outputs),
    )  # fmt: skip


def network():
    family = spec["family"]
    model = {"mlp": mlp, "cnn": cnn, "gru": lambda: Gru(shape[1], *spec["hidden"])}[family]()
    nn.utils.vector_to_parameters(start.clone(), model.parameters())
    return model


def train():
    model = network()
    optimiser = torch.optim.Adam(model.parameters(), lr=spec["learning_rate"], fused=adam == "fused")
    criterion = nn.BCEWithLogitsLoss() if outputs == 1 else nn.CrossEntropyLoss()
    batch_size, rows = spec["batch_size"], len(labels)
    mean_loss = 0.0
    began = time.perf_counter()
    for _ in range(spec["epochs"]):
        # One gather for the epoch and views of it for the batches: cheaper than indexing batch by batch.
        order = torch.randperm(rows)
        batches = zip(inputs[order].split(batch_size), labels[order].split(batch_size))
        loss_sum = torch.zeros((), dtype=torch.float64)
        for batch, expected in batches:
            optimiser.zero_grad(set_to_none=True)
            found = model(batch)
            loss = criterion(found.squeeze(1) if outputs == 1 else found, expected)
            loss.backward()
            optimiser.step()
            loss_sum += loss.detach() * len(expected)
        mean_loss = loss_sum.item() / rows
    return time.perf_counter() - began, mean_loss


train()
print("ready", torch.__version__, flush=True)
for _ in sys.stdin:
    print(*train(), flush=True)
