"""What PyTorch's own modules give for the models of tests.rs: writes answers.json.

    $(scripts/setup-python bench) client/src/model/answers.py

Made with PyTorch 2.13.0. Parameters and inputs are numbers of one formula, on both sides; rows of different lengths go
through PyTorch one by one, cut to their own length, so that nothing here knows of padding.
"""
import json
import math
import pathlib
import warnings

warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
import torch
from torch import nn

torch.set_num_threads(1)


def numbers(count, salt):
    return torch.tensor([math.sin(at * 7919 + salt * 104729) for at in range(count)])


class Recurrent(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.recurrent = cell(3, 4, num_layers=2, batch_first=True)
        self.output = nn.Linear(4, 1)

    def forward(self, rows):
        return torch.cat([self.output(self.recurrent(row[None])[0][:, -1]) for row in rows])


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 4)
        self.body = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 1))

    def forward(self, rows):
        return torch.cat([self.body(self.embedding(row).mean(0, keepdim=True)) for row in rows])


class TextCnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 4)
        self.convs = nn.ModuleList([nn.Conv1d(4, 3, 2), nn.Conv1d(4, 2, 3)])
        self.output = nn.Linear(5, 1)

    def forward(self, rows):
        outputs = []
        for row in rows:
            embedded = self.embedding(row)
            # Zeros behind the text, as many as the padding is long.
            embedded = torch.cat([embedded, torch.zeros(7 - len(row), 4)]).T[None]
            found = [torch.relu(conv(embedded)).amax(2) for conv in self.convs]
            outputs.append(self.output(torch.cat(found, 1)))
        return torch.cat(outputs)


def encoder():
    layer = nn.TransformerEncoderLayer(8, 2, 6, dropout=0.0, batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(8), enable_nested_tensor=False)


class TextTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.position = nn.Embedding(11, 8), nn.Embedding(7, 8)
        self.encoder, self.output = encoder(), nn.Linear(8, 1)

    def forward(self, rows):
        tokens = [self.embedding(row) + self.position.weight[: len(row)] for row in rows]
        return torch.cat([self.output(self.encoder(row[None]).mean(1)) for row in tokens])


class SequenceTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.projection, self.position = nn.Linear(3, 8), nn.Embedding(5, 8)
        self.encoder, self.output = encoder(), nn.Linear(8, 1)

    def forward(self, rows):
        tokens = [self.projection(row) + self.position.weight[5 - len(row) :] for row in rows]
        return torch.cat([self.output(self.encoder(row[None]).mean(1)) for row in tokens])


class TableTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(3, 8)), nn.Parameter(torch.zeros(3, 8))
        self.categories = nn.Embedding(8, 8)
        self.encoder, self.output = encoder(), nn.Linear(8, 1)

    def forward(self, rows):
        values, categories = rows
        tokens = [values[:, column, None] * self.weight[column] + self.bias[column] for column in range(3)]
        tokens += [self.categories(categories[:, 0]), self.categories(categories[:, 1] + 3)]
        return self.output(self.encoder(torch.stack(tokens, 1)).mean(1))


class EmbeddedMlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Embedding(3, 2), nn.Embedding(5, 2)
        self.body = nn.Sequential(nn.Linear(7, 4), nn.Tanh(), nn.Linear(4, 3))

    def forward(self, rows):
        values, categories = rows
        embedded = [self.first(categories[:, 0]), self.second(categories[:, 1])]
        return self.body(torch.cat([values, *embedded], 1))


def cnn(*norms):
    def block(channels, filters, norm):
        return [nn.Conv2d(channels, filters, 3), *norm, nn.ReLU(), nn.MaxPool2d(2)]

    first, second = norms or ([], [])
    body = [nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 3)]
    return nn.Sequential(*block(2, 4, first), *block(4, 6, second), nn.Flatten(), *body)


images = numbers(3 * 2 * 14 * 12, 1).view(3, 2, 14, 12)
sequences = [row[missing:] for row, missing in zip(numbers(3 * 5 * 3, 1).view(3, 5, 3), [0, 2, 4])]
texts = [torch.tensor(text) for text in [[3, 1, 4, 1, 5, 9, 2], [6, 5, 10], [8]]]
table = numbers(9, 1).view(3, 3), torch.tensor([[0, 4], [2, 0], [1, 3]])
answers = {}
for name, model, inputs in [
    ("mlp", EmbeddedMlp(), table),
    ("cnn", cnn(), images),
    ("cnn-group", cnn([nn.GroupNorm(4, 4)], [nn.GroupNorm(2, 6)]), images),
    ("lstm", Recurrent(nn.LSTM), sequences),
    ("gru", Recurrent(nn.GRU), sequences),
    ("embedding-bag", Bag(), texts),
    ("text-cnn", TextCnn(), texts),
    ("transformer-text", TextTransformer(), texts),
    ("transformer-sequence", SequenceTransformer(), sequences),
    ("transformer-table", TableTransformer(), table),
]:
    count = sum(parameter.numel() for parameter in model.parameters())
    nn.utils.vector_to_parameters(0.5 * numbers(count, 0), model.parameters())
    outputs = model(inputs)
    (outputs.flatten() @ numbers(outputs.numel(), 2)).backward()
    gradient = nn.utils.parameters_to_vector(parameter.grad for parameter in model.parameters()).double()
    answers[name] = {
        "parameters": count,
        "outputs": outputs.flatten().tolist(),
        # Of the gradient by the parameters: its product with numbers, and its length.
        "gradient": [(gradient @ numbers(count, 3).double()).item(), gradient.norm().item()],
    }
lines = [f"{json.dumps(name)}: {json.dumps(answer)}" for name, answer in answers.items()]
pathlib.Path(__file__).with_name("answers.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
