//! Setters by name, for option structs whose fields may become more and that nobody outside can therefore write down.

macro_rules! setters {
    ($($name:ident: $kind:ty),* $(,)?) => {
        $(
            #[doc = concat!("Sets `", stringify!($name), "`.")]
            #[must_use]
            pub fn $name(mut self, $name: impl Into<$kind>) -> Self {
                self.$name = $name.into();
                self
            }
        )*
    };
}

pub(crate) use setters;
