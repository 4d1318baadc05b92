"""Flow networks in PyTorch, as one would write them there: attentions and other layers as in their authors' code."""

import math

import torch
from torch import nn
from torch.nn import functional as f


class STSTNet(nn.Module):
    def __init__(self, classes: int):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, filters, 3, padding=2) for filters in (3, 5, 8))
        self.norms = nn.ModuleList(nn.BatchNorm2d(filters) for filters in (3, 5, 8))
        self.drop, self.fc = nn.Dropout(0.5), nn.Linear(400, classes)

    def forward(self, x):
        pairs = zip(self.convs, self.norms, strict=True)
        streams = [f.max_pool2d(norm(torch.relu(conv(x))), 3, 3, 1) for conv, norm in pairs]
        return self.fc(f.avg_pool2d(torch.cat([self.drop(y) for y in streams], 1), 2).flatten(1))


def conv_norm(maps_in: int, maps: int, size: int, padding: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(maps_in, maps, size, padding=padding), nn.BatchNorm2d(maps), nn.ReLU(inplace=True))


class OFFApexNet(nn.Module):
    def __init__(self, classes: int):
        super().__init__()
        self.streams = nn.ModuleList(
            nn.Sequential(
                *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
                *(nn.Conv2d(6, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            )
            for _ in "uv"
        )
        hidden = (nn.Linear(1568, 1024), nn.ReLU(), nn.Dropout(), nn.Linear(1024, 1024), nn.ReLU(), nn.Dropout())
        self.fc = nn.Sequential(*hidden, nn.Linear(1024, classes))

    def forward(self, x):
        return self.fc(torch.cat([stream(x[:, i : i + 1]) for i, stream in enumerate(self.streams)], 1))


class PlainInception(nn.Module):
    """Dual-Inception's block: without batch normalisation, as wide inside as outside."""

    def __init__(self, channels: int, filters: int):
        super().__init__()
        branches = [nn.Conv2d(channels, filters, 1)]
        for size in (3, 5):
            inner = nn.Conv2d(filters, filters, size, padding=size // 2)
            branches.append(nn.Sequential(nn.Conv2d(channels, filters, 1), nn.ReLU(), inner))
        branches.append(nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(channels, filters, 1)))
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return f.max_pool2d(torch.relu(torch.cat([branch(x) for branch in self.branches], 1)), 2)


class DualInception(nn.Module):
    def __init__(self, classes: int):
        super().__init__()
        blocks = ((1, 6), (24, 16))
        self.streams = nn.ModuleList(nn.Sequential(*(PlainInception(*block) for block in blocks)) for _ in "uv")
        self.fc = nn.Sequential(nn.Linear(6272, 1024), nn.ReLU(), nn.Dropout(), nn.Linear(1024, classes))

    def forward(self, x):
        return self.fc(torch.cat([s(x[:, i : i + 1]).flatten(1) for i, s in enumerate(self.streams)], 1))


class RCN(nn.Module):
    """The RCN family; `attention` looks at nothing, the "first" layer's maps, the "input" or the "block"'s input."""

    def __init__(self, classes: int, head: str, dense: bool, attention: str, maps: int = 64, pool: int = 7):
        super().__init__()
        self.dense, self.attention, self.pool = dense, attention, pool
        if head == "wide":
            self.heads = nn.ModuleList(
                nn.Sequential(
                    *(nn.Conv2d(3, own, 3, 3, padding=i, dilation=i), nn.ReLU(inplace=True), nn.BatchNorm2d(own)),
                    nn.Dropout(),
                )
                for i, own in ((1, maps // 2), (2, maps // 4), (3, maps // 4))
            )
        elif head == "pair":
            self.heads = nn.ModuleList(
                nn.Sequential(
                    *(nn.Conv2d(3, maps // 2, 3, padding=i, dilation=i), nn.ReLU(inplace=True)),
                    *(nn.BatchNorm2d(maps // 2), nn.MaxPool2d(3, 3, 1), nn.Dropout()),
                )
                for i in (1, 3)
            )
        else:
            self.heads = nn.ModuleList([nn.Sequential(conv_norm(3, maps, 5, 0), nn.MaxPool2d(2), nn.Dropout())])
        self.forward1, self.again = conv_norm(maps, maps, 1, 0), conv_norm(maps, maps, 3, 1)
        self.down, self.fc = nn.Sequential(nn.MaxPool2d(2), nn.Dropout()), nn.Linear(pool * pool * maps, classes)

    def attended(self, y):
        y, maps = f.adaptive_avg_pool2d(y, self.pool), []
        for weight in self.fc.weight:
            weight = weight.reshape(-1, self.pool, self.pool)
            weight = weight.mean(0, keepdim=True) if self.attention == "input" else weight
            m = (weight * y).mean(1, keepdim=True)
            m = m - m.amin((2, 3), keepdim=True)
            maps.append(m / m.amax((2, 3), keepdim=True))
        return torch.cat(maps, 1).mean(1, keepdim=True)

    def forward(self, images):
        x = torch.cat([head(images) for head in self.heads], 1)
        if self.attention == "input":
            x = x * f.interpolate(self.attended(images), x.shape[2:])
        seen = self.attended(x) if self.attention == "first" else 1
        y, total = self.forward1(x), x
        if self.attention == "block":
            y = y * f.interpolate(self.attended(x), x.shape[2:])
        for _ in range(3 if self.dense else 2):
            summed = total + y
            y, total = self.again(summed), summed if self.dense else x
        return self.fc((f.adaptive_avg_pool2d(self.down(y), self.pool) * seen).flatten(1))


class ChannelNorm(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.scale, self.bias = (
            nn.Parameter(torch.ones(1, channels, 1, 1)),
            nn.Parameter(torch.zeros(1, channels, 1, 1)),
        )

    def forward(self, x):
        variance, mean = torch.var_mean(x, dim=1, unbiased=False, keepdim=True)
        return (x - mean) / (variance + 1e-5).sqrt() * self.scale + self.bias


class Attention(nn.Module):
    """With queries and keys, as published."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads, inner = heads, channels // heads * heads
        self.norm, self.qkv = ChannelNorm(channels), nn.Conv2d(channels, 3 * inner, 1, bias=False)
        self.out = nn.Conv2d(inner, channels, 1)

    def forward(self, x):
        q, k, v = (t.reshape(len(x), self.heads, -1, 1).mT for t in self.qkv(self.norm(x)).chunk(3, 1))
        return self.out(f.scaled_dot_product_attention(q, k, v).mT.reshape(len(x), -1, 1, 1)) + x


class HTNet(nn.Module):
    def __init__(self, classes: int, dim: int = 56, repeats: int = 10):
        super().__init__()
        self.patches, self.levels, self.joins = nn.Conv2d(147, dim, 1), nn.ModuleList(), nn.ModuleList()
        self.positions = nn.ParameterList([torch.randn(1) for _ in range(3)])
        for level, depth in enumerate((2, 2, repeats)):
            wide, heads = dim * 2**level, 3 * 2**level
            self.levels.append(
                nn.ModuleList(
                    nn.ModuleList(
                        [
                            Attention(wide, heads),
                            nn.Sequential(
                                *(ChannelNorm(wide), nn.Conv2d(wide, 4 * wide, 1), nn.GELU()),
                                nn.Conv2d(4 * wide, wide, 1),
                            ),
                        ]
                    )
                    for _ in range(depth)
                )
            )
            if level < 2:
                join = (nn.Conv2d(wide, 2 * wide, 3, padding=1), ChannelNorm(2 * wide), nn.MaxPool2d(3, 2, 1))
                self.joins.append(nn.Sequential(*join))
        self.norm, self.fc = ChannelNorm(4 * dim), nn.Linear(4 * dim, classes)

    def forward(self, x):
        batch = len(x)
        x = self.patches(x.reshape(batch, 3, 4, 7, 4, 7).permute(0, 3, 5, 1, 2, 4).reshape(batch, 147, 4, 4))
        for level, layers in enumerate(self.levels):
            channels, side = x.shape[1:3]
            x = x.permute(0, 2, 3, 1).reshape(-1, channels, 1, 1) + self.positions[level]
            for attention, hidden in layers:
                x = attention(x)
                x = hidden(x) + x
            x = x.reshape(batch, side, side, channels).permute(0, 3, 1, 2)
            x = self.joins[level](x) if level < 2 else x
        return self.fc(self.norm(x).mean((2, 3)))


def sssnet(classes: int) -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 32, 5), nn.ReLU(), nn.MaxPool2d(3), nn.BatchNorm2d(32), nn.Dropout2d()),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(64), nn.Dropout2d()),
        *(nn.Flatten(), nn.Linear(5184, 256), nn.ReLU(), nn.Dropout(), nn.Linear(256, classes)),
    )


class Inception(nn.Module):
    def __init__(self, channels: int, filters: int):
        super().__init__()
        self.branches = nn.ModuleList(
            [
                conv_norm(channels, filters, 1, 0),
                nn.Sequential(conv_norm(channels, 6, 1, 0), conv_norm(6, filters, 3, 1)),
                nn.Sequential(conv_norm(channels, 6, 1, 0), conv_norm(6, filters, 5, 2)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), conv_norm(channels, filters, 1, 0)),
            ]
        )

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class CBAM(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(channels, channels // 16), nn.ReLU(), nn.Linear(channels // 16, channels))
        self.places = nn.Conv2d(2, 1, 3, padding=1)

    def forward(self, x):
        x = x * (self.hidden(x.mean((2, 3))) + self.hidden(x.amax((2, 3)))).sigmoid()[:, :, None, None]
        return x * self.places(torch.stack([x.mean(1), x.amax(1)], 1)).sigmoid()


def tail(features: int, classes: int) -> nn.Sequential:
    hidden = (nn.Linear(features, 1024), nn.BatchNorm1d(1024), nn.ReLU(), nn.Dropout())
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(1024, classes))


def inception_cbam(classes: int) -> nn.Module:
    return nn.Sequential(Inception(3, 6), Inception(24, 12), nn.MaxPool2d(2), CBAM(48), tail(9408, classes))


class DualATME(nn.Module):
    def __init__(self, classes: int):
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(Inception(3, 6), nn.MaxPool2d(2), Inception(24, 12), nn.MaxPool2d(2)) for _ in range(2)
        )
        self.cbam, self.tail = CBAM(48), tail(4704, classes)

    def forward(self, x):
        return self.tail(torch.cat([self.cbam(branch(x)).flatten(1) for branch in self.branches], 1))


class OffTANet(nn.Module):
    def __init__(self, classes: int):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), nn.ReLU(), nn.BatchNorm2d(8))
        sizes = ((8, 18), (18, 28))
        self.convs = nn.ModuleList(nn.Sequential(conv_norm(i, o, 3, 1), conv_norm(o, o, 3, 1)) for i, o in sizes)
        self.inputs = nn.ModuleList(nn.Conv2d(i, o, 1) for i, o in (*sizes, (28, 8)))
        self.before, self.after = conv_norm(28, 28, 3, 1), conv_norm(28, 8, 3, 1)
        self.channels = nn.Sequential(nn.Conv2d(28, 1, 1, bias=False), nn.ReLU(), nn.Conv2d(1, 28, 1, bias=False))
        self.places = nn.Conv2d(2, 1, 3, padding=1, bias=False)
        self.query, self.key, self.value = (nn.Conv2d(28, 28, 1) for _ in range(3))
        s = torch.tensor(
            [(math.sin, math.cos)[i % 2](1 / 10000 ** (i // 2 / 14)) for i in range(14)], dtype=torch.float32
        )
        self.register_buffer("code", s[:, None] + s)
        self.fc = nn.Sequential(
            *(nn.Linear(392, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 64), nn.ReLU(), nn.Dropout()),
            nn.Linear(64, classes),
        )

    def forward(self, x):
        x = self.stem(x)
        for convs, own in zip(self.convs, self.inputs, strict=False):
            x = f.max_pool2d(convs(x) + own(x), 2)
        y = self.before(x)
        pooled = f.adaptive_avg_pool2d(y, 1), f.adaptive_max_pool2d(y, 1)
        y = y * torch.sigmoid(self.channels(pooled[0]) + self.channels(pooled[1]))
        places = torch.cat([y.mean(1, keepdim=True), y.max(1, keepdim=True).values], 1)
        y = y * torch.sigmoid(self.places(places))
        query = self.query(y)
        scores = query @ self.key(y).transpose(2, 3) + query @ self.code.T
        y = torch.softmax(scores.flatten(2), 2).view(scores.shape) * self.value(y)
        return self.fc(f.max_pool2d(self.after(y) + self.inputs[2](x), 2).flatten(1))


class LEARNet(nn.Module):
    def __init__(self, classes: int):
        super().__init__()

        def halved(inputs: int, filters: int, size: int, zeros: tuple[int, int]) -> nn.Sequential:
            return nn.Sequential(nn.ZeroPad2d(zeros * 2), nn.Conv2d(inputs, filters, size, 2), nn.ReLU())

        def norm(channels: int) -> nn.BatchNorm2d:
            return nn.BatchNorm2d(channels, 1e-3, 0.01)

        self.stem, self.last = halved(3, 16, 3, (0, 1)), halved(256, 256, 3, (1, 1))
        steps = ((16, 16, 1, (0, 0)), (16, 32, 3, (0, 1)), (32, 64, 5, (1, 2)))
        self.paths = nn.ModuleList(nn.ModuleList(halved(*step) for step in steps) for _ in range(4))
        self.norms = nn.ModuleList(nn.ModuleList([norm(16), norm(32)]) for _ in range(2))
        self.norm = norm(256)
        self.fc = nn.Sequential(nn.Linear(4096, 256), nn.ReLU(), nn.Dropout(), nn.Linear(256, classes))

    def forward(self, x):
        stem, ends = self.stem(x), []
        for pair, norms in enumerate(self.norms):
            plain, adding = self.paths[2 * pair], self.paths[2 * pair + 1]
            x = y = stem
            for step in range(3):
                x, y = plain[step](x), adding[step](y)
                y = norms[step](x + y) if step < 2 else y
            ends += [x, y]
        return self.fc(self.last(self.norm(torch.cat(ends, 1))).flatten(1))


NETWORKS = {
    "ststnet": STSTNet,
    "off_apexnet": OFFApexNet,
    "dual_inception": DualInception,
    "rcn_a": lambda classes: RCN(classes, "narrow", dense=False, attention="first"),
    "rcn_s": lambda classes: RCN(classes, "narrow", dense=True, attention=""),
    "rcn_w": lambda classes: RCN(classes, "wide", dense=False, attention=""),
    "rcn_p": lambda classes: RCN(classes, "pair", dense=True, attention="first"),
    "rcn_c": lambda classes: RCN(classes, "wide", dense=True, attention="input"),
    "rcn_f": lambda classes: RCN(classes, "wide", dense=True, attention="block"),
    "htnet": HTNet,
    "sssnet": sssnet,
    "inception_cbam": inception_cbam,
    "dual_atme": DualATME,
    "off_tanet": OffTANet,
    "learnet": LEARNet,
}
