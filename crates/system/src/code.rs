//! The codes of mistakes in a system file. Each has a page under `docs/errors`.

use std::fmt;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)+) => {
        /// What kind of mistake it is; the number never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// As printed and as in the page's name: `FW-1101`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }
        }
    };
}

codes! {
    /// The file cannot be read.
    Unreadable = "FW-1001",
    /// The text is not YAML.
    Syntax = "FW-1002",
    /// A part of YAML that a system file does not use.
    YamlFeature = "FW-1003",
    /// A key stands twice in one map.
    DuplicateKey = "FW-1004",
    /// A key that has no meaning here.
    UnknownKey = "FW-1101",
    /// A key that must be there is not.
    MissingKey = "FW-1102",
    /// A value of another type than expected.
    WrongType = "FW-1103",
    /// Not one of the words that are possible.
    UnknownWord = "FW-1104",
    /// Not a duration.
    BadDuration = "FW-1105",
    /// Not a size.
    BadSize = "FW-1106",
    /// Not a rate.
    BadRate = "FW-1107",
    /// Not an address.
    BadAddress = "FW-1108",
    /// Too small, too large, or too many.
    OutOfRange = "FW-1109",
    /// Not a name.
    BadName = "FW-1110",
    /// Not a path or path pattern of a request.
    BadPath = "FW-1111",
    /// Not a command.
    BadCommand = "FW-1112",
    /// Not a host name, header name or status.
    BadHttp = "FW-1113",
    /// Not a schedule.
    BadSchedule = "FW-1114",
    /// Not a condition.
    BadCondition = "FW-1115",
    /// An environment variable without a value or a default.
    MissingVariable = "FW-1201",
    /// A `${…}` that has no meaning here.
    BadReference = "FW-1202",
    /// A profile that the file does not have.
    UnknownProfile = "FW-1203",
    /// A name of something that the file does not define.
    UnknownName = "FW-1301",
    /// An engine that does not exist, or does not serve this block.
    UnknownEngine = "FW-1302",
    /// An outbox that the engine cannot commit as one.
    OutboxApart = "FW-1303",
    /// Keys that exclude or need each other.
    KeysDisagree = "FW-1304",
    /// Not one weight for each replica.
    WeightsCount = "FW-1305",
    /// An address that is taken twice.
    AddressTwice = "FW-1306",
    /// A route that no request can take.
    UnreachableRoute = "FW-1307",
    /// An address beyond loopback without a token.
    OpenWithoutToken = "FW-1308",
    /// A column that the rows do not have.
    UnknownColumn = "FW-1309",
    /// Rows that cannot be read.
    UnreadableRows = "FW-1310",
    /// A secret that cannot be read.
    UnreadableSecret = "FW-1311",
    /// A part of Dapr's documents that is not served.
    NotServed = "FW-1401",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
