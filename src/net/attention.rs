//! Attention of one query. In: its heads, keys and values in rows. Out: for each head the values' mean, weighted by the
//! softmax of the scores.

use crate::kernel::ops;

/// How queries, keys and values are divided into heads. Query head h reads key/value head `h / (count / kv_count)`.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    pub count: usize,
    pub kv_count: usize,
    /// Values of a head.
    pub dim: usize,
}

impl Heads {
    /// Values of a query.
    pub fn query_width(&self) -> usize {
        self.count * self.dim
    }

    /// Values of a key, and of a value.
    pub fn kv_width(&self) -> usize {
        self.kv_count * self.dim
    }
}

/// Keys and values that a query sees, the oldest first: one of each every `stride` floats.
#[derive(Clone, Copy, Debug)]
pub struct KeyValues<'a> {
    pub keys: &'a [f32],
    pub values: &'a [f32],
    pub stride: usize,
}

/// No head prefers what is near.
pub fn level(_: usize) -> f32 {
    0.0
}

/// Attention over the first `scores.len()` keys. Head h lowers the score of a key by `slope(h)` for each key behind it
/// (ALiBi; [`level`] for none).
pub fn attend(
    heads: &Heads,
    query: &[f32],
    past: KeyValues<'_>,
    slope: impl Fn(usize) -> f32,
    scores: &mut [f32],
    out: &mut [f32],
) {
    let (dim, group) = (heads.dim, heads.count / heads.kv_count);
    let scale = 1.0 / (dim as f32).sqrt();
    let newest = scores.len().saturating_sub(1);
    for (head, (query, out)) in query.chunks_exact(dim).zip(out.chunks_exact_mut(dim)).enumerate() {
        let slope = slope(head);
        let at = head / group * dim;
        for (i, (score, key)) in scores.iter_mut().zip(past.keys.chunks(past.stride)).enumerate() {
            *score = ops::dot(query, &key[at..][..dim]) * scale - slope * (newest - i) as f32;
        }
        ops::softmax(scores);
        out.fill(0.0);
        for (score, value) in scores.iter().zip(past.values.chunks(past.stride)) {
            ops::add_multiple(out, *score, &value[at..][..dim]);
        }
    }
}
