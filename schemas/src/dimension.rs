//! What spend can be grouped and filtered by.

use serde::{Deserialize, Serialize};

macro_rules! dimensions {
    ($($variant:ident $name:literal $doc:literal),* $(,)?) => {
        /// A dimension of an event. The numbers are an index into [`crate::Event::dimensions`] and are not stored.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Dimension { $(#[doc = $doc] $variant),* }

        impl Dimension {
            /// All of them, in the order of their index.
            pub const ALL: [Dimension; [$(Dimension::$variant),*].len()] = [$(Dimension::$variant),*];

            /// The name of its column and event field.
            pub const fn name(self) -> &'static str {
                match self { $(Dimension::$variant => $name),* }
            }
        }
    };
}

dimensions! {
    Provider "provider" "Who runs the model: anthropic, openai, ...",
    Model "model" "The model's name as the event says it",
    Service "service" "A cloud service: Bedrock, S3, ...",
    Feature "feature" "The product feature that the call was for",
    Route "route" "The HTTP route or job that made the call",
    TaskType "task_type" "The kind of task: analyst, chatbot, ...",
    Team "team" "The team that pays",
    Project "project" "The project that pays",
    Environment "environment" "production, staging, ...",
    CostCenter "cost_center" "The cost centre that pays",
    UserId "user_id" "The end user",
    Operation "operation" "chat, embeddings, ...",
    Owner "owner" "The person responsible",
    Tier "tier" "standard, batch, flex, priority",
}

impl Dimension {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.name() == name)
    }
}
