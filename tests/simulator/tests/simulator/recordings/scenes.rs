//! The scenes of the recordings: what was on the server before the first line, by the ids that the recording has. Both
//! versions were recorded in the same scenes, with other ids.

use matterhost_simulator::{ServerVersion, Simulator, SimulatorBuilder};

use super::Named;
use super::replay::{ADMIN, ADMIN_11_1, Replay};

/// The scene of one recording.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) scenario: &'static str,
    pub(crate) team: Named,
    pub(crate) channels: &'static [Named],
    pub(crate) bots: &'static [Named],
    /// Users in the order of their ids, where the recording hangs on it.
    pub(crate) order: &'static [&'static str],
    /// Ids of what the script makes or finds, in its order.
    pub(crate) found: &'static [&'static str],
    /// A time that stands in a request.
    pub(crate) time: &'static str,
    /// The lines before which the script acts.
    pub(crate) lines: &'static [usize],
}

impl Scene {
    pub(crate) fn is_current(&self) -> bool {
        self.scenario.starts_with("11.1/")
    }

    /// A simulator of the version that was recorded.
    pub(crate) fn simulator(&self) -> SimulatorBuilder {
        let version = if self.is_current() { ServerVersion::V11_1 } else { ServerVersion::V5_37 };
        Simulator::builder().version(version)
    }

    pub(crate) fn replay(&self) -> Replay {
        Replay::with(self.scenario, self.simulator())
    }

    /// The id of the first bot.
    pub(crate) fn bot(&self) -> &'static str {
        self.bots[0].1
    }

    /// The id of the first channel.
    pub(crate) fn channel(&self) -> &'static str {
        self.channels[0].1
    }
}

const NONE: Named = ("", "", "");

const EMPTY: Scene = Scene {
    scenario: "",
    team: NONE,
    channels: &[],
    bots: &[],
    order: &[],
    found: &[],
    time: "",
    lines: &[],
};

/// The teams of the recordings of each version: that of most, and that of the later ones.
const TEAM: Named = ("crew", "aqhqar39stg8ich8gi1144z6uh", "");
const LATER_TEAM: Named = ("crew", "cnxsi883ifgafxtfe7ey8n5euw", "");
const TEAM_11_1: Named = ("crew", "b87wdpf1f3nb9kxurd4m4o8g1r", "");
const LATER_TEAM_11_1: Named = ("crew", "qfxobyk57f8z581zfnd3nxc8ta", "");

pub(crate) const CONNECT: [Scene; 2] = [
    Scene {
        scenario: "connect",
        team: TEAM,
        channels: &[("talk", "talktalktalktalktalktalkta", "O")],
        bots: &[("bot-pqdgac", "pt4mbhwr1tgi3penh1rjpxswwc", "bot")],
        ..EMPTY
    },
    Scene {
        scenario: "11.1/connect",
        team: TEAM_11_1,
        channels: &[("talk", "talktalktalktalktalktalkta", "O")],
        bots: &[("bot-ryujdm", "c3apq3r8mjfqpjs4ngebdzszdc", "bot")],
        ..EMPTY
    },
];

pub(crate) const SERVER_STOP: [Scene; 2] = [
    Scene { scenario: "server_stop", bots: &[("bot", "msmj7yh5gjfti84i8g4isy3ahe", "bot")], ..EMPTY },
    Scene { scenario: "11.1/server_stop", bots: &[("bot", "ctyxyme4epftzys4mxnhp6n57o", "bot")], ..EMPTY },
];

pub(crate) const TOKEN_TOGGLE: [Scene; 2] = [
    Scene {
        scenario: "token_toggle",
        team: LATER_TEAM,
        channels: &[("talk", "7tzugq8r8jbozdiw9ownkqc7go", "O")],
        bots: &[("bot-uhiwxf", "usn9juz96trn7x1o7ocgdg9dse", "bot")],
        found: &["jihd1kqmgjyn3ndknzs4de39iy"],
        ..EMPTY
    },
    Scene {
        scenario: "11.1/token_toggle",
        team: LATER_TEAM_11_1,
        channels: &[("talk", "68toy5ioeinpikm4yahzhi9ugw", "O")],
        bots: &[("bot-xxzdxu", "gpdkzm5azjyhpkgmop7k7n5qir", "bot")],
        found: &["9fpocxnqtbdime8fpp9r5me5qy"],
        ..EMPTY
    },
];

pub(crate) const CYCLE_WHILE_AWAY: [Scene; 2] = [
    Scene {
        scenario: "cycle_while_away",
        team: LATER_TEAM,
        channels: &[("chan-ciydlg", "96f8a3ecd7fipgk6zfcfjt9ewe", "O")],
        bots: &[("bot", "mp3jc5pf6bdtxegw7po314jt3c", "bot")],
        ..EMPTY
    },
    Scene {
        scenario: "11.1/cycle_while_away",
        team: LATER_TEAM_11_1,
        channels: &[("chan-iftxeb", "8zhtmp5fb3giip58p95wcmb7xo", "O")],
        bots: &[("bot", "sa618gwuqjng7d3qyjtt8drt1o", "bot")],
        ..EMPTY
    },
];

pub(crate) const QUICK_CYCLE_IDLE: [Scene; 2] = [
    Scene {
        scenario: "quick_cycle_idle",
        team: TEAM,
        channels: &[("chan-uvgalt", "x49ppej5bbr1tggz9ksd744wtc", "O")],
        bots: &[("bot-nzmuiy", "rfdbnjrwhtd8pcbstgpzupt9th", "bot")],
        ..EMPTY
    },
    Scene {
        scenario: "11.1/quick_cycle_idle",
        team: TEAM_11_1,
        bots: &[("bot-bjzdrb", "5im7b3dwubnn5nq8mk8ce148jo", "bot")],
        ..EMPTY
    },
];

pub(crate) const DISABLE_ENABLE: [Scene; 2] = [
    Scene {
        scenario: "disable_enable",
        team: TEAM,
        channels: &[("chan-sqallz", "kx6h4gdwdpympdqk8gqk1dutba", "O")],
        bots: &[
            ("bot-jqxbym", "uom3x8tm13y49qxgrabu7a9rhe", "bot"),
            ("bot-bxypco", "4ki4dzhyetgipr4txsxa1xar3e", "peer"),
        ],
        lines: &[28],
        ..EMPTY
    },
    Scene {
        scenario: "11.1/disable_enable",
        team: TEAM_11_1,
        channels: &[("chan-irfznk", "bab6bbseoprwirapprri59rhga", "O")],
        bots: &[
            ("bot-mxkjam", "4j6k899gdbbhjj8nbpxkfs175y", "bot"),
            ("bot-ghgdhr", "pppz9iusqtg9b8p9n1h7zeryua", "peer"),
        ],
        lines: &[26],
        ..EMPTY
    },
];

pub(crate) const ERRORS: [Scene; 2] = [
    Scene {
        scenario: "errors",
        team: TEAM,
        channels: &[
            ("chan-fqjgad", "zzdaap6csbgaxn69n55fi5msea", "O"),
            ("closed", "d1oezu9tf3gfjcwjhnuc53qsmw", "P"),
        ],
        bots: &[("bot", "q7kicrn4rjnodgfzs5fj1z7emh", "bot")],
        found: &["nwj3xkh1cbrrfghewarfr47owc"],
        ..EMPTY
    },
    Scene {
        scenario: "11.1/errors",
        team: TEAM_11_1,
        channels: &[
            ("open", "86gpg1sxjby99ga7673c9f3u5e", "O"),
            ("closed", "rpfg17mjbtna8ennyx5xdhnpje", "P"),
        ],
        bots: &[("bot", "ywwz4f1uepge9nzeyxkcnihzsr", "bot")],
        found: &["3sibc8t5m7r7xrqt67fnyqkx3y"],
        ..EMPTY
    },
];

pub(crate) const RATE_LIMIT: [Scene; 2] =
    [Scene { scenario: "rate_limit", ..EMPTY }, Scene { scenario: "11.1/rate_limit", ..EMPTY }];

pub(crate) const RESUME: [Scene; 2] = [
    Scene {
        scenario: "resume",
        team: TEAM,
        channels: &[("chan-osjudc", "gwguyyja63d3pcyfz6tguwz9uw", "O")],
        bots: &[("bot-akxzpq", "ioch49as4py9mbmm4ybouzjboc", "first")],
        lines: &[10, 41],
        ..EMPTY
    },
    Scene {
        scenario: "11.1/resume",
        team: TEAM_11_1,
        channels: &[("chan-qnxqjo", "64ajo1quwfgrfc84bbdogrqfyc", "O")],
        bots: &[("bot", "rpt4arrbobduxp9khibih6hj5c", "first")],
        lines: &[9, 38],
        ..EMPTY
    },
];

pub(crate) const CATCH_UP: [Scene; 2] = [
    Scene {
        scenario: "catch_up",
        team: ("team-ybclwo", TEAM.1, ""),
        channels: &[
            ("chan-gfpufa", "idynomzegbfjfrmmrpbzpxbdoe", "O"),
            ("chan-lvgpgx", "rz3egnhja7g8drgyes6tp937hr", "O"),
            ("chan-abmzgr", "sbgr5tky53fbtdyd6fpmidac8h", "O"),
        ],
        bots: &[("bot-mqfcxi", "ffphyc43ttn1fxmfnjj8jdcncr", "bot")],
        order: &[ADMIN, "ffphyc43ttn1fxmfnjj8jdcncr"],
        found: &["ozacn8pzn3yp7quxamdc1w7oer", "umtk8ebbfpnk3yuaik17o8sbnc"],
        time: "1795354132563",
        ..EMPTY
    },
    Scene {
        scenario: "11.1/catch_up",
        team: ("team-kzargt", TEAM_11_1.1, ""),
        channels: &[
            ("chan-esjchn", "ff7sa3hmrtdwtf6bzys4egtk7c", "O"),
            ("chan-cdnjeh", "i4dn9mwnpifimngu6eagpemnfo", "O"),
            ("chan-cypltj", "ter4qfupw383dqg4uqbegy9gbr", "O"),
        ],
        bots: &[("bot-kmhmdq", "x7mp4nkeoifa5yo1mjrs7yrajo", "bot")],
        order: &[ADMIN_11_1, "x7mp4nkeoifa5yo1mjrs7yrajo"],
        found: &["p6yizkts7tbtbd7yk9dxjmiqec", "5zydeckoujdazrmeka4ncodmzh"],
        time: "1795874475895",
        ..EMPTY
    },
];

pub(crate) const EVENTS: [Scene; 2] = [
    Scene {
        scenario: "events",
        team: TEAM,
        channels: &[
            ("chan-limqji", "u9jsod8y478n78q7swq4irrcmh", "O"),
            ("chan-mfubcx", "faozfi9fq7nwbqroxsnmkxae5o", "P"),
        ],
        bots: &[
            ("bot-zqjqcb", "5i7zwettkbfhfcner868ext35r", "bot"),
            ("bot-sxbxhj", "7ou7zbewj7br3ygibjiif6phuh", "other"),
        ],
        order: &["5i7zwettkbfhfcner868ext35r", "7ou7zbewj7br3ygibjiif6phuh", ADMIN],
        lines: &[21, 22],
        ..EMPTY
    },
    Scene {
        scenario: "11.1/events",
        team: TEAM_11_1,
        channels: &[
            ("chan-uqjeeu", "7sroo16piifwikyd55pje1z3sa", "O"),
            ("chan-xhbnpz", "597ayhc6wjn8tjmaaa3zeixquc", "P"),
        ],
        bots: &[
            ("bot-lsvbsl", "hzk3aw34ubrb5yq5sq4g9ocbqw", "bot"),
            ("bot-eeoncn", "uf33gu8axibgxgrcnm75ojk5gh", "other"),
        ],
        order: &["hzk3aw34ubrb5yq5sq4g9ocbqw", ADMIN_11_1, "uf33gu8axibgxgrcnm75ojk5gh"],
        lines: &[20, 21],
        ..EMPTY
    },
];

pub(crate) const OWN_CHANGES: [Scene; 2] = [
    Scene {
        scenario: "own_changes",
        team: ("crew", "crewcrewcrewcrewcrewcrewcr", ""),
        bots: &[("bot-upbuyz", "tp4ppfrsx3dz7ppuwbzaoas7se", "bot")],
        found: &["jqdjf34fkj8jfnwhujna5jn6tr"],
        ..EMPTY
    },
    Scene {
        scenario: "11.1/own_changes",
        team: LATER_TEAM_11_1,
        bots: &[("bot-elirur", "7ekioi9zubyo3knbod99fdgsce", "bot")],
        found: &["et13s9kfojr55jqdseyok98mwh"],
        ..EMPTY
    },
];

pub(crate) const LAST_POST_AT: [Scene; 2] = [
    Scene {
        scenario: "last_post_at",
        team: LATER_TEAM,
        channels: &[
            ("chan-haidad", "omahwnc8m7gbtcgpuk8x56tcyo", "O"),
            ("chan-vyglif", "mxcm8ndwq7nyzxapf9kcxuhena", "O"),
        ],
        bots: &[("bot-muuhng", "pcxt6t98efbqjgnqu7awb6co8r", "bot")],
        order: &[ADMIN, "pcxt6t98efbqjgnqu7awb6co8r"],
        found: &["xgcy5ouohjdttq94883nfadcro", "yqyt4rwj4pnf38hgzc9haio1gr"],
        time: "1795361305993",
        lines: &[9],
    },
    Scene {
        scenario: "11.1/last_post_at",
        team: LATER_TEAM_11_1,
        channels: &[
            ("chan-glldiq", "n9t4z6d8m3y3bp13ayt4cehtxa", "O"),
            ("chan-rwhgnm", "jzpedbo1kpgctkcc5cbm4zyter", "O"),
        ],
        bots: &[("bot-fdhphh", "egmkxgn1st8hdfqnat9wnipodr", "bot")],
        order: &["egmkxgn1st8hdfqnat9wnipodr", ADMIN_11_1],
        found: &["fech8qtj13ggtk184qn17cwsur", "3q8i98r97bye9ffsybcta3yzhy"],
        time: "1795874512381",
        lines: &[9],
    },
];

pub(crate) const ORDER: [Scene; 2] = [
    Scene {
        scenario: "order",
        team: LATER_TEAM,
        channels: &[("chan-ujkvjv", "ixdjp5ozitn7udqkcagssidp5c", "O")],
        bots: &[("bot-zmrazl", "q446f8g9jjfcfprhoqcewqbqny", "bot")],
        ..EMPTY
    },
    Scene {
        scenario: "11.1/order",
        team: LATER_TEAM_11_1,
        channels: &[("chan-unubkb", "bb85jre1g3gozrwszmwkodbb4w", "O")],
        bots: &[("bot-gnwwfw", "zkxo4xqsstd3jgnec3x96jhdpo", "bot")],
        ..EMPTY
    },
];

const HOOKS_TEAM_11_1: Named = ("team-gydiit", "98orcujsoibjzeogxjdabspahr", "");

pub(crate) const SLASH_COMMANDS: Scene = Scene {
    scenario: "11.1/slash_commands",
    team: HOOKS_TEAM_11_1,
    channels: &[("chan-kpbqyg", "6brqgaeuupn65ncg1ywigb6swa", "O")],
    bots: &[("bot", "49y1nm7jn38zfcyu8bkrjj6h5h", "bot")],
    ..EMPTY
};

pub(crate) const BUTTONS_AND_DIALOGS: Scene = Scene {
    scenario: "11.1/buttons_and_dialogs",
    team: HOOKS_TEAM_11_1,
    channels: &[("chan-oxlwyl", "1pkzmfpxy38firn7jzheoy3ddc", "O")],
    bots: &[("bot-usvjxn", "z3dfoaz33tgqzry8io3h1c1o8c", "bot")],
    ..EMPTY
};

pub(crate) const OUTGOING_WEBHOOK: Scene = Scene {
    scenario: "11.1/outgoing_webhook",
    team: HOOKS_TEAM_11_1,
    channels: &[("chan-waqoun", "rtnnhxcfsbbruq4a4qznkyjkro", "O")],
    bots: &[("bot", "ktxah1irg7g7zku5unix8s9z4w", "bot")],
    ..EMPTY
};

pub(crate) const FILES_THREADS_AND_MORE: Scene = Scene {
    scenario: "11.1/files_threads_and_more",
    team: HOOKS_TEAM_11_1,
    channels: &[("chan-ztwina", "nfko5y1u5iym5xas365dzhfctc", "O")],
    bots: &[("bot-mmwoki", "9qxdb3aj6jf89rzzyocjxte4ww", "bot")],
    order: &["9qxdb3aj6jf89rzzyocjxte4ww", ADMIN_11_1],
    found: &["qnjbirifz7g58nkqshqo8o3jga", "ou6i3ng77jgd5pz8w5zpmczwpr"],
    time: "1795874644286",
    lines: &[20, 38],
};
