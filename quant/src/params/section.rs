//! One object of a JSON file whose every key must be accounted for.

use serde_json::{Map, Value};

use crate::error::{Error, Result, corrupt, missing, unsupported};

/// The keys of an object that nobody has asked for yet, and the path to it.
pub(crate) struct Section<'a> {
    path: String,
    keys: Map<String, Value>,
    ignored: &'a [String],
}

impl<'a> Section<'a> {
    pub fn root(json: Value, ignored: &'a [String]) -> Result<Self> {
        match json {
            Value::Object(keys) => Ok(Self { path: String::new(), keys, ignored }),
            _ => Err(corrupt("params.json is not an object")),
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn take(&mut self, key: &str) -> Result<Value> {
        self.keys.remove(key).ok_or_else(|| missing(format!("params.json: {} is missing", self.path_of(key))))
    }

    /// The value of a key that may be absent or null.
    pub fn optional(&mut self, key: &str) -> Option<Value> {
        self.keys.remove(key).filter(|v| !v.is_null())
    }

    fn wrong(&self, key: &str, value: &Value, expected: &str) -> Error {
        corrupt(format!("params.json: {} is {value}, expected {expected}", self.path_of(key)))
    }

    pub fn section(&mut self, key: &str) -> Result<Section<'a>> {
        match self.take(key)? {
            Value::Object(keys) => Ok(Section { path: self.path_of(key), keys, ignored: self.ignored }),
            other => Err(self.wrong(key, &other, "an object")),
        }
    }

    fn to_size(&self, key: &str, value: &Value) -> Result<usize> {
        let size = value.as_u64().and_then(|v| u32::try_from(v).ok());
        size.map(|v| v as usize).ok_or_else(|| self.wrong(key, value, "a size"))
    }

    fn to_number(&self, key: &str, value: &Value) -> Result<f32> {
        value.as_f64().map(|v| v as f32).ok_or_else(|| self.wrong(key, value, "a number"))
    }

    pub fn size(&mut self, key: &str) -> Result<usize> {
        let value = self.take(key)?;
        self.to_size(key, &value)
    }

    pub fn optional_size(&mut self, key: &str) -> Result<Option<usize>> {
        self.optional(key).map(|v| self.to_size(key, &v)).transpose()
    }

    pub fn id(&mut self, key: &str) -> Result<u32> {
        self.size(key).map(|v| v as u32) // to_size has bounded it
    }

    pub fn number(&mut self, key: &str) -> Result<f32> {
        let value = self.take(key)?;
        self.to_number(key, &value)
    }

    /// A count that is written as a number or in a string: `"8192"`.
    pub fn loose_size(&mut self, key: &str) -> Result<usize> {
        let value = self.take(key)?;
        let number = value.as_str().and_then(|text| text.trim().parse::<u32>().ok()).map_or(value, Value::from);
        self.to_size(key, &number)
    }

    pub fn optional_number(&mut self, key: &str) -> Result<Option<f32>> {
        self.optional(key).map(|v| self.to_number(key, &v)).transpose()
    }

    /// A list in a string: `"2,2,2,2"`.
    pub fn sizes(&mut self, key: &str) -> Result<Vec<usize>> {
        let value = self.take(key)?;
        let parse = |text: &str| text.split(',').map(|n| n.trim().parse::<u32>().ok().map(|n| n as usize)).collect();
        value.as_str().and_then(parse).ok_or_else(|| self.wrong(key, &value, "sizes separated by commas"))
    }

    /// The keys of an object `{name: index}`, by index.
    pub fn ranked_names(&mut self, key: &str) -> Result<Vec<String>> {
        let Some(value) = self.optional(key) else { return Ok(Vec::new()) };
        let ranked = value.as_object().and_then(|names| {
            names.iter().map(|(name, rank)| Some((rank.as_u64()?, name.clone()))).collect::<Option<Vec<_>>>()
        });
        let mut ranked = ranked.ok_or_else(|| self.wrong(key, &value, "an object of names and indices"))?;
        ranked.sort();
        Ok(ranked.into_iter().map(|(_, name)| name).collect())
    }

    /// A key that selects arithmetic of which one kind is implemented. It may be absent: the released file has changed
    /// before, and the tensors' names and shapes tell the same.
    pub fn must_be(&mut self, key: &str, only: impl Into<Value>) -> Result<()> {
        let only = only.into();
        match self.keys.remove(key) {
            Some(value) if value != only => {
                Err(unsupported(format!("params.json: {} is {value}, and only {only} is supported", self.path_of(key))))
            }
            _ => Ok(()),
        }
    }

    /// A key that is known to change nothing at inference.
    pub fn inert(&mut self, key: &str) {
        self.keys.remove(key);
    }

    /// Refuses what is left over, unless the user has declared it harmless.
    pub fn finish(self) -> Result<()> {
        match self.keys.keys().map(|key| self.path_of(key)).find(|path| !self.ignored.contains(path)) {
            None => Ok(()),
            Some(path) => Err(unsupported(format!(
                "params.json: unknown key {path}; if it changes no arithmetic, list it in syrinx.toml under [import] ignore_keys"
            ))),
        }
    }
}
