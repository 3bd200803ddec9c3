//! Precision recipes. In: a recipe, a tensor's role and row length. Out: its type. Pure, so that `inspect` and tests can
//! ask what a pack would be without making it.

use std::str::FromStr;

use crate::dtype::DType;
use crate::error::{Error, Result, unsupported};
use crate::layout::Role;

/// Which types the parts of a pack get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// All F32: parity with the reference.
    F32,
    /// Matrices and tables F16.
    F16,
    /// Layers of backbone, flow head and codec, and tables, Q8_0; the codec's convolutions F16.
    Q8,
    /// As `q8`, with the backbone in Q4_K and, where llama.cpp's Q4_K_M raises it, Q6_K.
    Q4,
    /// As `q4`, with the flow head's layers in Q4_0: lossy, measured.
    Q4All,
}

impl Recipe {
    pub const ALL: [Self; 5] = [Self::F32, Self::F16, Self::Q8, Self::Q4, Self::Q4All];

    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Q8 => "q8",
            Self::Q4 => "q4",
            Self::Q4All => "q4-all",
        }
    }

    /// The type of a tensor of rows of `columns` values in a backbone of `layers` layers, as the recipe wants it.
    pub fn wanted(self, role: Role, layers: usize) -> DType {
        match role {
            Role::Vector | Role::FlowBoundary | Role::Codebook | Role::Voice => DType::F32,
            _ if self == Self::F32 => DType::F32,
            _ if self == Self::F16 => DType::F16,
            Role::CodecConvolution | Role::Encoder | Role::Front => DType::F16,
            Role::Table | Role::FlowCondition | Role::CodecMatrix | Role::Adapter => DType::Q8_0,
            Role::FlowMatrix if self == Self::Q4All => DType::Q4_0,
            Role::FlowMatrix => DType::Q8_0,
            Role::BackboneMatrix | Role::BackboneSensitive { .. } | Role::BackboneOutput if self == Self::Q8 => {
                DType::Q8_0
            }
            Role::BackboneOutput => DType::Q6K,
            Role::BackboneSensitive { layer } if raised(layer, layers) => DType::Q6K,
            Role::BackboneMatrix | Role::BackboneSensitive { .. } => DType::Q4K,
        }
    }

    /// As [`Self::wanted`], or the next type whose blocks a row of `columns` values fills: K-quants fall back to Q8_0,
    /// and everything to F16.
    pub fn dtype(self, role: Role, layers: usize, columns: usize) -> DType {
        let wanted = self.wanted(role, layers);
        [wanted, DType::Q8_0].into_iter().find(|t| t.row_bytes(columns).is_some()).unwrap_or(DType::F16)
    }
}

/// llama.cpp's `use_more_bits` (`llama-quant.cpp`): the first and last eighth of the layers, and every third between.
fn raised(layer: usize, layers: usize) -> bool {
    let eighth = layers / 8;
    layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2
}

impl std::fmt::Display for Recipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Recipe {
    type Err = Error;

    /// Errors: `Unsupported`, with the names that exist.
    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|r| r.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            unsupported(format!("there is no recipe '{name}': choose one of {known}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_stay_exact_is_f32_in_every_recipe() {
        for recipe in Recipe::ALL {
            for role in [Role::Vector, Role::FlowBoundary, Role::Codebook, Role::Voice] {
                assert_eq!(recipe.dtype(role, 26, 3072), DType::F32, "{recipe} {role:?}");
            }
        }
    }

    #[test]
    fn q4_raises_the_layers_that_llama_cpp_raises() {
        // Layers that `use_more_bits` of llama.cpp picks out of 26: 0-2, every third from 5, 22-25.
        let expected = [0, 1, 2, 5, 8, 11, 14, 17, 20, 22, 23, 24, 25];
        let raised: Vec<usize> =
            (0..26).filter(|&layer| Recipe::Q4.wanted(Role::BackboneSensitive { layer }, 26) == DType::Q6K).collect();
        assert_eq!(raised, expected);
        assert_eq!(Recipe::Q4.wanted(Role::BackboneMatrix, 26), DType::Q4K);
        assert_eq!(Recipe::Q4.wanted(Role::BackboneOutput, 26), DType::Q6K);
    }

    #[test]
    fn recipes_differ_where_they_say() {
        let types = |role| Recipe::ALL.map(|r| r.dtype(role, 8, 1024));
        assert_eq!(types(Role::BackboneMatrix), [DType::F32, DType::F16, DType::Q8_0, DType::Q4K, DType::Q4K]);
        assert_eq!(types(Role::FlowMatrix), [DType::F32, DType::F16, DType::Q8_0, DType::Q8_0, DType::Q4_0]);
        assert_eq!(types(Role::CodecMatrix), [DType::F32, DType::F16, DType::Q8_0, DType::Q8_0, DType::Q8_0]);
        assert_eq!(types(Role::CodecConvolution), [DType::F32, DType::F16, DType::F16, DType::F16, DType::F16]);
        assert_eq!(types(Role::Table), [DType::F32, DType::F16, DType::Q8_0, DType::Q8_0, DType::Q8_0]);
    }

    #[test]
    fn rows_that_do_not_fill_a_block_fall_back_to_a_finer_type() {
        assert_eq!(Recipe::Q4.dtype(Role::BackboneMatrix, 3, 128), DType::Q8_0);
        assert_eq!(Recipe::Q4.dtype(Role::BackboneMatrix, 3, 72), DType::F16);
        assert_eq!(Recipe::Q4All.dtype(Role::FlowMatrix, 3, 72), DType::F16);
        assert_eq!(Recipe::F32.dtype(Role::BackboneMatrix, 3, 72), DType::F32);
    }

    #[test]
    fn an_unknown_recipe_is_refused_with_the_known_names() {
        let error = "q5".parse::<Recipe>().unwrap_err();
        assert!(error.message.contains("q5") && error.message.contains("q4-all"), "{error}");
    }
}
