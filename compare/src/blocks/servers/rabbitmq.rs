//! RabbitMQ, one node. Its script for all users changes to a user of its own; the one below it is started instead.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use lapin::{Connection, ConnectionProperties};

use super::{Server, program, start};

const SCRIPT: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

pub(crate) async fn serve(folder: &Path) -> Result<Server<SocketAddr>> {
    let home = folder.join("rabbitmq");
    let address = floodway_kit::free_address();
    write(&home, address).context("cannot write the configuration of RabbitMQ")?;
    let mut command = program(SCRIPT);
    let port = || floodway_kit::free_address().port().to_string();
    let dist = "-kernel inet_dist_use_interface {127,0,0,1}";
    command.env("HOME", &home).env("RABBITMQ_NODENAME", "compare@localhost");
    command.env("RABBITMQ_DIST_PORT", port()).env("ERL_EPMD_PORT", port());
    command.env("ERL_EPMD_ADDRESS", "127.0.0.1").env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", dist);
    for (name, file) in [
        ("RABBITMQ_MNESIA_BASE", "data"),
        ("RABBITMQ_LOG_BASE", "log"),
        ("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", "plugins"),
        ("RABBITMQ_CONF_ENV_FILE", "environment"),
        ("RABBITMQ_PID_FILE", "pid"),
    ] {
        command.env(name, home.join(file));
    }
    start("RabbitMQ", command, address, async |address| {
        let connection = Connection::connect(&uri(*address), ConnectionProperties::default()).await?;
        connection.close(200, "it runs".into()).await?;
        Ok(())
    })
    .await
}

/// Where clients connect to.
pub(crate) fn uri(address: SocketAddr) -> String {
    format!("amqp://guest:guest@{address}/%2f")
}

fn write(home: &Path, address: SocketAddr) -> std::io::Result<()> {
    fs::create_dir_all(home)?;
    fs::write(home.join("rabbitmq.conf"), format!("listeners.tcp.1 = {address}\n"))?;
    fs::write(home.join("environment"), "")?;
    fs::write(home.join("plugins"), "[].\n")?;
    let cookie = home.join(".erlang.cookie");
    fs::write(&cookie, "compare")?;
    fs::set_permissions(cookie, fs::Permissions::from_mode(0o400))
}
