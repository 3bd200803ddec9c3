//! Which kernels this processor runs. Chosen once, from what the processor says of itself.
//!
//! `SYRINX_ISA` chooses another set, by name, to test it or to compare; one that the processor lacks is refused with a
//! warning. All sets give the same bits, so nothing but time depends on the choice.

use std::ops::Range;
use std::sync::LazyLock;

use syrinx_quant::DType;

use super::Columns;
use super::columns::{BLOCK, BlockQ8};
use super::layout::{Layout, Tiles};
use super::ops::Ops;
use super::rows::Rows;
use super::scalar;

/// A kernel set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isa {
    /// Plain Rust, for every processor; what the others are tested against.
    Scalar,
    /// x86-64 with AVX2, FMA and F16C (Haswell, Zen and later).
    Avx2,
    /// x86-64 with AVX2, FMA, F16C and AVX-VNNI (Alder Lake and later, N100).
    AvxVnni,
    /// x86-64 with AVX-512 F, BW, VL and VNNI (Ice Lake, Zen 4 and later).
    Avx512Vnni,
    /// The same with AMX for prompts (Sapphire Rapids and later).
    Amx,
    /// Every 64-bit Arm (Cortex-A53, A72).
    Neon,
    /// Arm with `sdot` (Cortex-A76, A78AE).
    DotProd,
    /// Arm with `smmla` (Neoverse N2, Cortex-X2).
    I8mm,
}

impl Isa {
    /// All sets, from the plainest to the best of each processor family.
    pub const ALL: [Self; 8] =
        [Self::Scalar, Self::Avx2, Self::AvxVnni, Self::Avx512Vnni, Self::Amx, Self::Neon, Self::DotProd, Self::I8mm];

    /// The set in use: the best for this processor, or what `SYRINX_ISA` says.
    pub fn detect() -> Self {
        static CHOSEN: LazyLock<Isa> = LazyLock::new(|| Isa::choose(std::env::var("SYRINX_ISA").ok().as_deref()));
        *CHOSEN
    }

    fn choose(wanted: Option<&str>) -> Self {
        let best = Self::ALL.into_iter().rfind(|isa| isa.runs_here()).unwrap_or(Self::Scalar);
        let Some(wanted) = wanted else { return best };
        match Self::ALL.into_iter().find(|isa| isa.name() == wanted) {
            Some(isa) if isa.runs_here() => isa,
            Some(_) => {
                log::warn!("SYRINX_ISA={wanted}: this processor lacks it; using {}", best.name());
                best
            }
            None => {
                let known = Self::ALL.map(Self::name).join(", ");
                log::warn!("SYRINX_ISA={wanted} is none of {known}; using {}", best.name());
                best
            }
        }
    }

    /// Its name in `SYRINX_ISA` and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avxvnni",
            Self::Avx512Vnni => "avx512vnni",
            Self::Amx => "amx",
            Self::Neon => "neon",
            Self::DotProd => "dotprod",
            Self::I8mm => "i8mm",
        }
    }

    /// Whether this processor has the instructions.
    pub fn runs_here(self) -> bool {
        self.find().is_some()
    }

    /// The kernels in use, those of [`Isa::detect`].
    pub(super) fn active() -> &'static Kernels {
        static ACTIVE: LazyLock<&Kernels> = LazyLock::new(|| Isa::detect().kernels());
        &ACTIVE
    }

    /// The set's kernels; the plain ones where the processor lacks it.
    pub(super) fn kernels(self) -> &'static Kernels {
        self.find().unwrap_or(&scalar::KERNELS)
    }

    #[cfg(target_arch = "x86_64")]
    fn find(self) -> Option<&'static Kernels> {
        macro_rules! has {
            ($($feature:tt),*) => { $(std::arch::is_x86_feature_detected!($feature))&&* };
        }
        match self {
            Self::Scalar => Some(&scalar::KERNELS),
            Self::Avx2 => has!("avx2", "fma", "f16c").then_some(&super::avx2::KERNELS),
            Self::AvxVnni => has!("avx2", "fma", "f16c", "avxvnni").then_some(&super::avxvnni::KERNELS),
            Self::Avx512Vnni => {
                let found = has!("avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512vnni");
                found.then_some(&super::avx512::KERNELS)
            }
            // The flow head and the codec have too few columns at once to fill a tile.
            Self::Amx => Self::Avx512Vnni.find().filter(|_| super::k_quants::amx::runs_here()),
            Self::Neon | Self::DotProd | Self::I8mm => None,
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn find(self) -> Option<&'static Kernels> {
        use std::arch::is_aarch64_feature_detected as has;
        match self {
            Self::Scalar => Some(&scalar::KERNELS),
            Self::Neon => has!("neon").then_some(&super::neon::KERNELS),
            Self::DotProd => (has!("neon") && has!("dotprod")).then_some(&super::dotprod::KERNELS),
            Self::I8mm => (has!("neon") && has!("i8mm")).then_some(&super::i8mm::KERNELS),
            Self::Avx2 | Self::AvxVnni | Self::Avx512Vnni | Self::Amx => None,
        }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn find(self) -> Option<&'static Kernels> {
        (self == Self::Scalar).then_some(&scalar::KERNELS)
    }
}

/// Computes a range of rows for all columns; see [`super::product::product`].
pub(super) type ProductFn = fn(&Tiles, &Columns, Range<usize>, &mut Rows<'_>);

/// One kernel per block format, how they want the weights, and the rest that is worth vectors.
#[derive(Debug)]
pub(super) struct Kernels {
    pub layout: Layout,
    pub f32: ProductFn,
    pub f16: ProductFn,
    pub q8_0: ProductFn,
    pub q4_0: ProductFn,
    pub quantise: fn(&[[f32; BLOCK]], &mut [BlockQ8]),
    pub ops: &'static Ops,
}

impl Kernels {
    /// The kernel of a format, if there is one.
    pub fn product(&self, dtype: DType) -> Option<ProductFn> {
        match dtype {
            DType::F32 => Some(self.f32),
            DType::F16 => Some(self.f16),
            DType::Q8_0 => Some(self.q8_0),
            DType::Q4_0 => Some(self.q4_0),
            DType::Bf16 | DType::Q4K | DType::Q6K => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_override_is_obeyed_where_the_processor_can() {
        for isa in Isa::ALL {
            let expected = if isa.runs_here() { isa } else { Isa::choose(None) };
            assert_eq!(Isa::choose(Some(isa.name())), expected);
        }
        assert_eq!(Isa::choose(Some("scalar")), Isa::Scalar);
        assert!(Isa::choose(None).runs_here());
    }

    #[test]
    fn an_unknown_override_changes_nothing() {
        assert_eq!(Isa::choose(Some("sse9")), Isa::choose(None));
        assert_eq!(Isa::choose(Some("")), Isa::choose(None));
    }
}
