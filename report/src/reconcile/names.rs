//! What the bill calls a provider (a service) and what the events call it, under one name.

use std::collections::BTreeMap;

/// Steps from a name to the one it is compared under: a name of the command line may lead to one of the configuration.
const MOST_STEPS: usize = 8;

/// Names and what they are compared as. Upper and lower case are the same; a name that is not here is its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// From a table: name to compare under, and the names that it stands for.
    ///
    /// # Errors
    /// The name that stands under two.
    pub fn new(groups: &BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        let mut names = BTreeMap::new();
        for (group, members) in groups {
            for member in members {
                let other = names.insert(key(member), key(group));
                if other.is_some_and(|other| other != key(group)) {
                    return Err(member.clone());
                }
            }
        }
        Ok(Names(names))
    }

    /// One more, which wins over what was said before.
    pub fn add(&mut self, name: &str, group: &str) {
        self.0.insert(key(name), key(group));
    }

    /// What a name is compared as.
    pub fn of(&self, name: &str) -> String {
        let mut name = key(name);
        for _ in 0..MOST_STEPS {
            match self.0.get(&name) {
                Some(group) if *group != name => name.clone_from(group),
                _ => break,
            }
        }
        name
    }

    /// Of a charge's provider: `PROVIDER/SERVICE` goes before the provider alone.
    pub(super) fn of_provider(&self, provider: &str, service: &str) -> String {
        let both = key(&format!("{}/{service}", provider.trim()));
        if self.0.contains_key(&both) { self.of(&both) } else { self.of(provider) }
    }
}

fn key(name: &str) -> String {
    name.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let table = [("aws", ["Amazon Web Services", "bedrock"]), ("gcp", ["Google Cloud", "vertex_ai"])];
        Names::new(&table.map(|(group, members)| (group.to_owned(), members.map(str::to_owned).to_vec())).into()).unwrap()
    }

    #[test]
    fn both_sides_meet_under_one_name() {
        let mut names = names();
        assert_eq!(
            (names.of("AMAZON web Services "), names.of("Bedrock"), names.of("OpenAI")),
            ("aws".into(), "aws".into(), "openai".into())
        );
        names.add("Contoso Resale", "Google Cloud");
        assert_eq!(names.of("contoso resale"), "gcp");
    }

    #[test]
    fn a_service_may_be_taken_out_of_its_provider() {
        let mut names = names();
        names.add("aws/AmazonBedrock", "bedrock");
        names.add("bedrock", "bedrock");
        assert_eq!(names.of_provider("aws", "AmazonBedrock"), "bedrock");
        assert_eq!((names.of_provider("aws", "AmazonEC2"), names.of("bedrock")), ("aws".into(), "bedrock".into()));
    }

    #[test]
    fn names_in_a_circle_and_under_two_groups_do_no_harm() {
        let mut names = Names::default();
        names.add("a", "b");
        names.add("b", "a");
        names.of("a");
        let table = BTreeMap::from([("x".to_owned(), vec!["One".to_owned()]), ("y".to_owned(), vec!["one".to_owned()])]);
        assert_eq!(Names::new(&table), Err("one".to_owned()));
    }
}
