"""The networks of the code published in 2022 in plain NumPy, images batch first and channels last, in float64."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def relu(x):
    return np.maximum(x, 0)


def leaky(x):
    return np.where(x > 0, x, 0.01 * x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def dense(x, p):
    return x @ p["kernel"] + p["bias"]


def conv(x_BxHxWxC, p):
    k = p["kernel"].shape[0]
    padded = np.pad(x_BxHxWxC, ((0, 0), (k // 2, k // 2), (k // 2, k // 2), (0, 0)))
    windows_BxHxWxCxkxk = sliding_window_view(padded, (k, k), axis=(1, 2))
    return np.tensordot(windows_BxHxWxCxkxk, p["kernel"], ([3, 4, 5], [2, 0, 1])) + p["bias"]


def pool(x_BxHxWxC):
    """The maximum of 2 x 2 pixels, of what there is of them at the ends: TensorFlow's SAME."""
    batch, height, width, channels = x_BxHxWxC.shape
    x = np.pad(x_BxHxWxC, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), constant_values=-np.inf)
    return x.reshape(batch, -(-height // 2), 2, -(-width // 2), 2, channels).max((2, 4))


def trunk(x_BxHxWxC, p):
    a = pool(relu(conv(pool(relu(conv(x_BxHxWxC, p["conv5"]))), p["conv3"])))
    branches = [pool(relu(conv(a, p[f"branches_{i}"]))) for i in range(4)]
    return np.concatenate([pool(a), *branches], -1)


def shallow_features(x_BxHxWxC, p):
    """The 2021 head: GAP, FC 1024, 250, 20."""
    x = trunk(x_BxHxWxC, p).mean((1, 2))
    for name in ("fc1024", "fc250", "fc20"):
        x = relu(dense(x, p[name]))
    return x


def patch_features(x_BxHxWxC, p, patches):
    """The successor's, of images that have their final size already."""
    side = round(patches**0.5)
    rows, columns = x_BxHxWxC.shape[1] // side, x_BxHxWxC.shape[2] // side
    maps = []
    for m in range(patches):
        top, left = m // side * rows, m % side * columns
        own = {name: {k: v[m] for k, v in layer.items()} for name, layer in p["trunks"]["of_patches"].items()}
        maps.append(trunk(x_BxHxWxC[:, top : top + rows, left : left + columns], own))
    x = np.concatenate(maps, -1)
    gate = sigmoid(conv(relu(conv(x, p["gate_in"])), p["gate_out"]))
    x = relu(conv(x * gate, p["merge"])).mean((1, 2))
    return relu(dense(relu(dense(x, p["fc2048"])), p["fc256"]))


def bilinear(x_HxW, rows, columns):
    """Half-pixel centres, two taps, no smoothing; pixels beyond an edge are those of the edge."""

    def taps(size, length):
        at = np.clip((np.arange(length) + 0.5) * size / length - 0.5, 0, size - 1)
        low = np.floor(at).astype(int)
        return low, np.minimum(low + 1, size - 1), at - low

    low, high, share = taps(x_HxW.shape[0], rows)
    x = x_HxW[low] * (1 - share)[:, None] + x_HxW[high] * share[:, None]
    low, high, share = taps(x_HxW.shape[1], columns)
    return x[:, low] * (1 - share) + x[:, high] * share


def hard_lstm(x_TxD, kernel_x, kernel_h, bias):
    """The last state of one sequence; gates i, f, g, o, the hard sigmoid of TensorFlow 1.14."""
    h = c = np.zeros(kernel_h.shape[0])
    for x in x_TxD:
        i, f, g, o = np.split(x @ kernel_x + h @ kernel_h + bias, 4)
        i, f, o = (np.clip(0.2 * z + 0.5, 0, 1) for z in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
    return h


def temporal_scores(sequences_BxTxRxD, p):
    """LSTMs, LeakyReLU, the gate over regions, FC 256, scores; sequences are padded already."""
    states = [
        np.concatenate(
            [
                leaky(hard_lstm(of_clip[:, r], p["kernel_x"][r], p["kernel_h"][r], p["bias"][r]))
                for r in range(of_clip.shape[1])
            ]
        )
        for of_clip in sequences_BxTxRxD
    ]
    x = np.stack(states)
    x = x * sigmoid(dense(leaky(dense(x, p["gate"]["fc_in"])), p["gate"]["fc_out"]))
    return dense(leaky(dense(x, p["fc256"])), p["out"])


def focal(logits_BxK, label_B, gamma=2):
    p_B = softmax(logits_BxK)[np.arange(len(label_B)), label_B]
    return -((1 - p_B) ** gamma) * np.log(p_B)


def binary_focal(logits_BxK, label_B, gamma=2):
    p_BxK = softmax(logits_BxK)
    q_BxK = np.where(np.eye(p_BxK.shape[1], dtype=bool)[label_B], p_BxK, 1 - p_BxK)
    return -((1 - q_BxK) ** gamma * np.log(q_BxK)).sum(1)


def slope_along(loss, params, direction, step=1e-6):
    """The derivative of a loss along a direction of its parameters, in float64, by a difference of two values."""

    def moved(by, p, d):
        return {k: moved(by, p[k], d[k]) for k in p} if isinstance(p, dict) else np.float64(p) + by * np.float64(d)

    ahead, behind = (loss(moved(by, params, direction)) for by in (step, -step))
    return (ahead - behind) / (2 * step)
