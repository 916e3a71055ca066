//! Cases of the jobs port.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::clock::wall;
use super::{Broken, Outcome, case, ensure, equal, unique};
use crate::jobs::{DueJob, DueJobs, Entry, IfThere, Jobs};

/// Runs all cases of the jobs port. Panics with the name of the first that does not hold.
pub async fn jobs(jobs: &dyn Jobs) {
    case("a_job_reads_back_as_written", reads_back(jobs)).await;
    case("a_job_that_is_there_stays_unless_replaced", stays(jobs)).await;
    case("a_job_is_handed_out_once_it_is_due_and_not_before", comes_when_due(jobs)).await;
    case("the_earliest_comes_first", earliest_first(jobs)).await;
    case("a_job_is_handed_out_once_until_it_is_settled", once(jobs)).await;
    case("a_settled_job_comes_again_or_is_over", settled(jobs)).await;
    case("a_settlement_of_an_older_version_changes_nothing", older_version(jobs)).await;
    case("what_is_removed_does_not_come", removed(jobs)).await;
    case("owners_see_their_own_only", own_only(jobs)).await;
    case("opening_again_brings_back_what_was_not_settled", opened_again(jobs)).await;
    case("who_waits_is_woken_by_an_earlier_job", woken(jobs)).await;
    case("many_jobs_come_all", many(jobs)).await;
}

const SOON: Duration = Duration::from_millis(150);
const LATER: Duration = Duration::from_hours(1);

fn from_now(wait: Duration) -> SystemTime {
    wall() + wait
}

fn entry(text: &str, wait: Duration) -> Entry {
    Entry { due: from_now(wait), body: Bytes::copy_from_slice(text.as_bytes()) }
}

async fn write(jobs: &dyn Jobs, owner: &str, name: &str, entry: Entry) -> Outcome {
    let written = jobs.write(owner, name, entry, IfThere::Replace).await?;
    ensure(written, format_args!("{name} was not written"))
}

/// The next job that is due; exactly one is expected.
async fn one(place: &mut dyn DueJobs) -> Result<DueJob, Broken> {
    let mut due = place.due(10).await?;
    equal("the number of jobs that are due", &due.len(), &1)?;
    due.pop().ok_or_else(|| Broken("none is due".to_owned()))
}

async fn body(jobs: &dyn Jobs, owner: &str, name: &str) -> Result<Option<Bytes>, Broken> {
    Ok(jobs.read(owner, name).await?.map(|entry| entry.body))
}

async fn reads_back(jobs: &dyn Jobs) -> Outcome {
    let owner = unique("owner");
    equal("an unknown job", &jobs.read(&owner, "a").await?, &None)?;
    let written = entry("body", LATER);
    write(jobs, &owner, "a", written.clone()).await?;
    let read = jobs.read(&owner, "a").await?.ok_or_else(|| Broken("it is not there".to_owned()))?;
    equal("its body", &read.body, &written.body)?;
    let off = read.due.duration_since(written.due).unwrap_or_else(|earlier| earlier.duration());
    ensure(off <= Duration::from_millis(1), format_args!("its time is off by {off:?}"))
}

async fn stays(jobs: &dyn Jobs) -> Outcome {
    let owner = unique("owner");
    let first = jobs.write(&owner, "a", entry("one", LATER), IfThere::Keep).await?;
    let second = jobs.write(&owner, "a", entry("two", LATER), IfThere::Keep).await?;
    equal("what was written", &(first, second), &(true, false))?;
    equal("the body", &body(jobs, &owner, "a").await?, &Some(Bytes::from("one")))?;
    write(jobs, &owner, "a", entry("three", LATER)).await?;
    equal("the body replaced", &body(jobs, &owner, "a").await?, &Some(Bytes::from("three")))
}

async fn comes_when_due(jobs: &dyn Jobs) -> Outcome {
    let owner = unique("owner");
    let due = entry("soon", SOON);
    write(jobs, &owner, "later", entry("later", LATER)).await?;
    write(jobs, &owner, "soon", due.clone()).await?;
    let mut place = jobs.open(&owner);
    let job = one(&mut *place).await?;
    equal("its name", &job.name.as_str(), &"soon")?;
    equal("its body", &job.entry.body, &due.body)?;
    let early = due.due.duration_since(from_now(Duration::ZERO)).unwrap_or_default();
    ensure(early <= Duration::from_millis(1), format_args!("it came {early:?} early"))
}

async fn earliest_first(jobs: &dyn Jobs) -> Outcome {
    let owner = unique("owner");
    for (name, age) in [("b", 2), ("a", 1), ("c", 3)] {
        let due = from_now(Duration::ZERO) - Duration::from_secs(age);
        write(jobs, &owner, name, Entry { due, body: Bytes::new() }).await?;
    }
    let mut place = jobs.open(&owner);
    let mut names = Vec::new();
    while names.len() < 3 {
        names.extend(place.due(2).await?.into_iter().map(|job| job.name));
    }
    equal("the order", &names, &vec!["c".to_owned(), "b".to_owned(), "a".to_owned()])
}

async fn once(jobs: &dyn Jobs) -> Outcome {
    let owner = unique("owner");
    write(jobs, &owner, "a", entry("", Duration::ZERO)).await?;
    let mut place = jobs.open(&owner);
    one(&mut *place).await?;
    let again = tokio::time::timeout(SOON, place.due(1)).await;
    ensure(again.is_err(), format_args!("it came twice: {again:?}"))
}

async fn settled(jobs: &dyn Jobs) -> Outcome {
    let owner = unique("owner");
    write(jobs, &owner, "a", entry("one", Duration::ZERO)).await?;
    let mut place = jobs.open(&owner);
    let job = one(&mut *place).await?;
    let next = Some(entry("two", SOON));
    ensure(jobs.settle(&owner, "a", job.version, next).await?, "the first settlement was refused")?;
    let job = one(&mut *place).await?;
    equal("the body of the second run", &job.entry.body, &Bytes::from("two"))?;
    ensure(jobs.settle(&owner, "a", job.version, None).await?, "the second settlement was refused")?;
    equal("what is left", &jobs.read(&owner, "a").await?, &None)?;
    equal("the names", &jobs.names(&owner).await?, &Vec::new())
}

async fn older_version(jobs: &dyn Jobs) -> Outcome {
    let owner = unique("owner");
    write(jobs, &owner, "a", entry("old", Duration::ZERO)).await?;
    let mut place = jobs.open(&owner);
    let old = one(&mut *place).await?;
    write(jobs, &owner, "a", entry("new", Duration::ZERO)).await?;
    ensure(!jobs.settle(&owner, "a", old.version, None).await?, "the old version was settled")?;
    let new = one(&mut *place).await?;
    equal("the new body", &new.entry.body, &Bytes::from("new"))?;
    jobs.remove(&owner, vec!["a".to_owned()]).await?;
    let next = Some(entry("again", LATER));
    ensure(!jobs.settle(&owner, "a", new.version, next).await?, "a removed job was settled")?;
    equal("what is left", &jobs.read(&owner, "a").await?, &None)
}

async fn removed(jobs: &dyn Jobs) -> Outcome {
    let owner = unique("owner");
    for name in ["a", "b", "c"] {
        write(jobs, &owner, name, entry("", Duration::ZERO)).await?;
    }
    let names = ["a", "c", "unknown"].map(str::to_owned).to_vec();
    jobs.remove(&owner, names).await?;
    equal("the names", &jobs.names(&owner).await?, &vec!["b".to_owned()])?;
    equal("what is due", &one(&mut *jobs.open(&owner)).await?.name, &"b".to_owned())
}

async fn own_only(jobs: &dyn Jobs) -> Outcome {
    let (one_owner, other) = (unique("owner"), unique("owner"));
    write(jobs, &one_owner, "a", entry("one", Duration::ZERO)).await?;
    write(jobs, &other, "a", entry("other", Duration::ZERO)).await?;
    for (owner, expected) in [(&one_owner, "one"), (&other, "other")] {
        let job = one(&mut *jobs.open(owner)).await?;
        equal("the body", &job.entry.body, &Bytes::copy_from_slice(expected.as_bytes()))?;
        equal("the names", &jobs.names(owner).await?, &vec!["a".to_owned()])?;
    }
    Ok(())
}

async fn opened_again(jobs: &dyn Jobs) -> Outcome {
    let owner = unique("owner");
    write(jobs, &owner, "a", entry("", Duration::ZERO)).await?;
    let first = one(&mut *jobs.open(&owner)).await?;
    let mut place = jobs.open(&owner);
    let second = one(&mut *place).await?;
    equal("the version", &second.version, &first.version)?;
    ensure(jobs.settle(&owner, "a", second.version, None).await?, "the settlement was refused")
}

async fn woken(jobs: &dyn Jobs) -> Outcome {
    let owner = unique("owner");
    write(jobs, &owner, "late", entry("", LATER)).await?;
    let mut place = jobs.open(&owner);
    let wait = place.due(1);
    let written = write(jobs, &owner, "soon", entry("", Duration::ZERO));
    let (due, written) = tokio::join!(wait, written);
    written?;
    equal("what is due", &due?.first().map(|job| job.name.clone()), &Some("soon".to_owned()))
}

async fn many(jobs: &dyn Jobs) -> Outcome {
    let owner = unique("owner");
    for number in 0..200 {
        write(jobs, &owner, &format!("job-{number:03}"), entry("", Duration::ZERO)).await?;
    }
    let mut place = jobs.open(&owner);
    let mut names = std::collections::BTreeSet::new();
    while names.len() < 200 {
        let due = place.due(7).await?;
        ensure((1..=7).contains(&due.len()), format_args!("{} at once", due.len()))?;
        for job in due {
            ensure(jobs.settle(&owner, &job.name, job.version, None).await?, "a settlement was refused")?;
            ensure(names.insert(job.name.clone()), format_args!("{} came twice", job.name))?;
        }
    }
    equal("the names left", &jobs.names(&owner).await?, &Vec::new())
}
