//! Numbers in bytes, in the order of the machines that redrill runs on: little-endian.

/// Two bytes at an offset; 0 where the bytes end before.
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

/// Four bytes at an offset; 0 where the bytes end before.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

/// Eight bytes at an offset; 0 where the bytes end before.
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let slice = bytes.get(at..at.saturating_add(N));
    slice
        .and_then(|slice| slice.try_into().ok())
        .unwrap_or([0; N])
}
