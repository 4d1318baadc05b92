"""The spotters' rules as plain loops over frames and pixels, after the published code, and made motion with known intervals."""

import math

import numpy as np


def bump(frames, onset, offset, height):
    """Motion that rises from 0 at the onset to a height at the middle and falls back to 0 at the offset."""
    phase = np.interp(np.arange(frames), [onset, (onset + offset) / 2, offset], [0, np.pi, 2 * np.pi])
    return height * 0.5 * (1 - np.cos(phase))


def moved(position_T, gap):
    """How far something has moved from the frame `gap` earlier."""
    return np.array([abs(position_T[t] - position_T[t - gap]) if t >= gap else 0.0 for t in range(len(position_T))])


def plain_peaks(motion, half, share):
    """Centres of the smoothed motion's peaks, by decreasing height, none closer than `half` to a higher one."""
    smooth = [sum(motion[i] for i in range(j, j + 2 * half)) / (2 * half) for j in range(len(motion) - 2 * half + 1)]
    mean = sum(smooth) / len(smooth)
    threshold = mean + share * (max(smooth) - mean)
    tops = [
        j for j in range(1, len(smooth) - 1) if smooth[j - 1] < smooth[j] > smooth[j + 1] and smooth[j] >= threshold
    ]
    kept = []
    for j in sorted(tops, key=lambda j: -smooth[j]):
        if all(abs(j - other) >= half for other in kept):
            kept.append(j)
    return sorted(j + half - half // 2 for j in kept)


def joined(picked, gap):
    found = []
    for t in picked:
        if found and t - found[-1][1] <= gap:
            found[-1][1] = t
        else:
            found.append([t, t])
    return found


def plain_rises(signal, trendless, fps, rise, rule):
    """(onset, offset) of one region's intervals; the signal is filtered already and its lowest value is 0."""
    second, gap = round(rule.around * fps), round(rule.join * fps) - 1
    picked = []
    for first, last in joined([t for t in range(len(signal)) if signal[t] >= rule.least], gap):
        for t in range(first, last + 1):
            low, high = max(0, t - second), t + second + 1
            if signal[t] - min(signal[low:high]) > rise and trendless[t] - min(trendless[low:high]) > rule.trend_rise:
                picked.append(t)
    found = []
    for first, last in joined(picked, gap):
        peak = max(signal[first : last + 1])
        ends = []
        for line, start in ((list(signal), first), (list(signal)[::-1], len(signal) - 1 - last)):
            low = max(0, start - second)
            around = line[low : start + second + 1]
            valley = low + around.index(min(around))
            end = start
            if valley < start:
                while end > 0:
                    end -= 1
                    if line[end] - line[valley] < rule.foot * (peak - line[valley]):
                        break
                    if line[end] > line[end + 1]:
                        end = min(end + 2, start)
                        break
                else:
                    end = start
            else:
                low = max(0, start - round(rule.near * fps))
                lowest = low + line[low : start + 1].index(min(line[low : start + 1]))
                if line[start] - line[lowest] > rule.near_drop:
                    end = lowest + 1
            ends.append(end)
        onset, offset = sorted((ends[0], len(signal) - 1 - ends[1]))
        found += plain_split(signal, onset, offset, fps, rule)
    return found


def plain_split(signal, onset, offset, fps, rule):
    margin = round(rule.split_margin * fps)
    if offset - onset >= max(round(rule.split_from * fps), 2 * margin + 1):
        inner = list(signal[onset + margin : offset - margin + 1])
        valley = onset + margin + inner.index(min(inner))
        peaks = max(signal[onset:valley]), max(signal[valley : offset + 1])
        if all(p - signal[valley] > max(rule.split_drop, rule.split_share * p) for p in peaks):
            return [(onset, valley - 1), (valley + 1, offset)]
    return [(onset, offset)]


def plain_main_difference(to, past):
    """MDMD's value of one frame, pixel by pixel; angles as MATLAB's atan(u / v) gives them."""
    height, width = to.shape[0] // 6, to.shape[1] // 6
    values = []
    for row in range(6):
        for column in range(6):
            bins = {1: [], 2: [], 3: [], 4: []}
            for y in range(row * height, (row + 1) * height):
                for x in range(column * width, (column + 1) * width):
                    u, v = to[y, x]
                    if u == 0 and v == 0:
                        continue
                    angle = math.degrees(math.atan(u / v)) if v else math.copysign(90, u)
                    which = 1 if 0 <= angle < 90 else 2 if 90 <= angle < 180 else 4
                    bins[which].append(math.hypot(u, v) - math.hypot(*past[y, x]))
            fullest = max(bins.values(), key=len)
            largest = sorted(fullest, reverse=True)[: max(1, math.floor(len(fullest) / 3 + 0.5))]
            values.append(sum(largest) / len(largest) if largest else 0.0)
    return sum(sorted(values, reverse=True)[:12]) / 12
