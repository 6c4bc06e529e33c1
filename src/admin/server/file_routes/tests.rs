use super::*;

#[test]
fn every_name_of_a_file_fits_a_header() {
    for name in ["a b.csv", "a\nb", "a\r\nX: y", "\"a\\", "\t\u{b}\u{7f}", "gr\u{f6}\n", "\u{202e}", ""] {
        let (_, pieces) = tokio::sync::mpsc::channel(1);
        let file = FileDownload { name: name.into(), content_type: "text/plain".into(), len: 0, pieces };
        let response = respond(file, true);
        assert_eq!(response.status(), StatusCode::OK, "{name:?}");
        let shown = response.headers().get("content-disposition").unwrap().as_bytes();
        assert!(!shown.contains(&b'\n') && !shown.contains(&b'\r'), "{name:?}");
    }
}

#[test]
fn only_the_routes_of_files_read_their_body_themselves() {
    for path in ["/v1/accounts/helpdesk/files", "/v1/accounts/gr%C3%B6/files", "/v1/replies/files"] {
        assert!(is_upload(path), "{path}");
    }
    for path in [
        "/v1/accounts/files",
        "/v1/accounts/files/actions",
        "/v1/accounts/a/files/b",
        "/v1/replies",
        "/v1/replies/files/x",
    ] {
        assert!(!is_upload(path), "{path}");
    }
}
