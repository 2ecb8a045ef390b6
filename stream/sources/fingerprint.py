"""What alerts with labels are told apart by: Alertmanager's own fingerprint."""

from collections.abc import Collection, Mapping

OFFSET, PRIME, MASK = 14_695_981_039_346_656_037, 1_099_511_628_211, 0xFFFF_FFFF_FFFF_FFFF
OUR_LABEL = "noisegate"  # what the relay sets; it says what became of an alert, not which one it is


def fingerprint(labels: Mapping[str, str], ignored: Collection[str] = ()) -> int:
    r"""FNV-1a of 64 bits over the labels sorted by name, as `LabelsToSignature` of prometheus/common computes it.

    Each name and value is followed by the byte 0xff, which no UTF-8 text holds. A label without a value is none; the
    label `noisegate` and those of `ignored` do not count.

    >>> fingerprint({"name": "garland, briggs", "fear": "love is not enough"})
    5799056148416392346
    >>> f"{fingerprint({'alertname': 'DiskFull', 'replica': 'b'}, {'replica'}):016x}"
    '744e61ca074bea90'
    """
    value = OFFSET
    for name in sorted(labels):
        text = labels[name]
        if not text or name == OUR_LABEL or name in ignored:
            continue
        for byte in b"%b\xff%b\xff" % (name.encode(), text.encode()):
            value = (value ^ byte) * PRIME & MASK
    return value
