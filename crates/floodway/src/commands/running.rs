//! What commands share: reading the system file, and finding its node.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::Context;
use floodway_node::admin::client::Client;
use floodway_node::data;
use floodway_system::{Mistakes, Source, System, Token};
use tokio::runtime::{Builder, Runtime};

use crate::cli::{RunningNode, SystemFile};
use crate::failure::Failure;

/// Reads a system file with this process's environment and the engines there are.
pub(super) fn system(file: &SystemFile, profile: Option<&str>) -> Result<System, Failure> {
    system_with(file, profile, &[])
}

/// The same with Dapr's documents in these folders.
pub(super) fn system_with(
    file: &SystemFile,
    profile: Option<&str>,
    resources: &[PathBuf],
) -> Result<System, Failure> {
    let mut system = read(file, profile, resources).map_err(|found| mistake(&found))?;
    make_absolute(&mut system).context("could not find the present folder")?;
    Ok(system)
}

/// The same in plain words, for a node that runs.
pub(super) fn system_again(
    file: &SystemFile,
    profile: Option<&str>,
    resources: &[PathBuf],
) -> Result<System, String> {
    let plain = |found: Vec<Mistakes>| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n");
    let mut system = read(file, profile, resources).map_err(plain)?;
    make_absolute(&mut system).map_err(|error| error.to_string())?;
    Ok(system)
}

fn read(file: &SystemFile, profile: Option<&str>, resources: &[PathBuf]) -> Result<System, Vec<Mistakes>> {
    let env = |name: &str| std::env::var(name).ok();
    let system = floodway_system::load(&file.path, profile, &env, floodway_node::ENGINES);
    let mut system = system.map_err(|found| vec![found])?;
    floodway_system::add_resources(
        &mut system,
        resources,
        &env,
        &floodway_node::read_secret,
        floodway_node::ENGINES,
    )?;
    Ok(system)
}

/// Children run in other folders, so a path must mean the same there.
fn make_absolute(system: &mut System) -> std::io::Result<()> {
    let services = system.services.iter_mut().filter_map(|service| match &mut service.source {
        Source::Run(run) => Some(&mut run.dir),
        Source::At(_) => None,
    });
    let audits = system.loads.iter_mut().filter_map(|load| load.audit.as_mut()).map(|audit| &mut audit.dir);
    for path in services.chain(audits).chain([&mut system.node.data]) {
        *path = std::path::absolute(Path::new(".").join(&*path))?;
    }
    Ok(())
}

/// What is wrong with files, as shown on stderr.
fn mistake(found: &[Mistakes]) -> Failure {
    let has_colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let shown = |found: &Mistakes| if has_colours { found.coloured().to_string() } else { found.to_string() };
    Failure::Mistake(found.iter().map(shown).collect::<Vec<_>>().join("\n\n"))
}

/// Whether a service could have this name.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// A client of the node that runs on the file's data folder, and a runtime to use it on.
pub(super) fn client(node: &RunningNode) -> Result<(Client, Runtime), Failure> {
    let client = find(node)?;
    let runtime =
        Builder::new_current_thread().enable_all().build().context("could not start the runtime")?;
    Ok((client, runtime))
}

/// A client of the node that runs on the file's data folder.
pub(super) fn find(node: &RunningNode) -> Result<Client, Failure> {
    let system = system(&node.file, node.profile.as_deref())?;
    let file = data::find(&system.node.data)?;
    let token = system.node.admin_token.as_ref().map(Token::reveal).map(str::to_owned);
    Ok(Client { address: file.admin, token })
}
