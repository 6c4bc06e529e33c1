//! Event types that have their own series.

/// The label of all other types. Plugins can define any number of types, and each series has a cost.
const OTHER: &str = "other";

/// The types that Mattermost itself sends (`model/websocket_message.go` in its server), sorted.
const KNOWN: &[&str] = &[
    "added_to_team",
    "channel_bookmark_created",
    "channel_bookmark_deleted",
    "channel_bookmark_sorted",
    "channel_bookmark_updated",
    "channel_converted",
    "channel_created",
    "channel_deleted",
    "channel_member_updated",
    "channel_restored",
    "channel_scheme_updated",
    "channel_updated",
    "channel_viewed",
    "config_changed",
    "delete_team",
    "direct_added",
    "draft_created",
    "draft_deleted",
    "draft_updated",
    "emoji_added",
    "ephemeral_message",
    "group_added",
    "group_member_add",
    "group_member_deleted",
    "guests_deactivated",
    "hello",
    "leave_team",
    "license_changed",
    "memberrole_updated",
    "multiple_channels_viewed",
    "new_user",
    "open_dialog",
    "persistent_notification_triggered",
    "plugin_disabled",
    "plugin_enabled",
    "plugin_statuses_changed",
    "post_acknowledgement_added",
    "post_acknowledgement_removed",
    "post_deleted",
    "post_edited",
    "post_unread",
    "posted",
    "preference_changed",
    "preferences_changed",
    "preferences_deleted",
    "reaction_added",
    "reaction_removed",
    "received_group",
    "restore_team",
    "role_updated",
    "scheduled_post_created",
    "scheduled_post_deleted",
    "scheduled_post_updated",
    "sidebar_category_created",
    "sidebar_category_deleted",
    "sidebar_category_order_updated",
    "sidebar_category_updated",
    "status_change",
    "thread_follow_changed",
    "thread_read_changed",
    "thread_updated",
    "typing",
    "update_team",
    "update_team_scheme",
    "user_activation_status_change",
    "user_added",
    "user_removed",
    "user_role_updated",
    "user_updated",
];

/// Returns the label of a type.
pub(super) fn label(event: &str) -> &'static str {
    KNOWN.binary_search(&event).map_or(OTHER, |at| KNOWN[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_types_keep_their_name_and_all_others_share_one() {
        assert!(KNOWN.is_sorted());
        assert!(KNOWN.iter().all(|event| label(event) == *event));
        assert_eq!((label("custom_com.example.poll_voted"), label("")), (OTHER, OTHER));
    }
}
