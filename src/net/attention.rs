//! Attention of one query. In: its heads, keys and values. Out: for each head the values' mean, weighted by the
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

/// No head prefers what is near.
pub fn level(_: usize) -> f32 {
    0.0
}

/// Attention over `scores.len()` keys, the oldest first; `key_values` is `[keys][2 * kv width]`, a key and its value side by
/// side. Head h lowers the score of a key by `slope(h)` for each key behind it (ALiBi; [`level`] for none).
pub fn attend(
    heads: &Heads,
    query: &[f32],
    key_values: &[f32],
    slope: impl Fn(usize) -> f32,
    scores: &mut [f32],
    out: &mut [f32],
) {
    let (dim, kv, group) = (heads.dim, heads.kv_width(), heads.count / heads.kv_count);
    let scale = 1.0 / (dim as f32).sqrt();
    let count = scores.len();
    for (head, (query, out)) in query.chunks_exact(dim).zip(out.chunks_exact_mut(dim)).enumerate() {
        let slope = slope(head);
        let at = head / group * dim;
        for (i, (score, key_value)) in scores.iter_mut().zip(key_values.chunks_exact(2 * kv)).enumerate() {
            let distance = (count - 1 - i) as f32;
            *score = ops::dot(query, &key_value[at..at + dim]) * scale - slope * distance;
        }
        ops::softmax(scores);
        out.fill(0.0);
        for (score, key_value) in scores.iter().zip(key_values.chunks_exact(2 * kv)) {
            ops::add_multiple(out, *score, &key_value[kv + at..kv + at + dim]);
        }
    }
}
