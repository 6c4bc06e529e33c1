use crate::model::UserChange;

/// The way to other hosts that have accounts on the same servers: what an account hears here about a user may be about an
/// account there.
///
/// It is called from any thread, and never blocks. News may be left out: the account's own polls and pings find the change,
/// too, only later. The other hosts give it to their Supervisors as [`HeardElsewhere`](crate::hosting::HeardElsewhere).
pub trait WitnessRelay: Send + Sync + 'static {
    /// Passes news on about a user who is not hosted here. It is called at most once for each change, however many accounts hear
    /// of it at about the same time.
    fn pass_on(&self, change: UserChange);
}
