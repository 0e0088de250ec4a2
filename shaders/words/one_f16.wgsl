// Formula: none; an f16 element as it lies in memory, where the device is known to convert it without loss, and to
// round to nearest, ties to even.
// A workgroup owns, reads, writes: nothing. Needs: `enable f16`.

alias One = f16;
