//! `matterhost sign-in`.

use clap::Args;

use super::output::{call_host, print};
use crate::{
    admin::client::{self, AdminArgs},
    host::Exit,
};

#[derive(Debug, Args)]
pub(super) struct SignInArgs {
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(args: &SignInArgs) -> Exit {
    call_host(&args.admin, async |client| Ok(print(client::sign_in_link(&client).await?.as_bytes())))
}
