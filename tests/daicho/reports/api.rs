//! Reports over HTTP: the same code, so the same bytes, for whoever may.

use super::{this_month, verify};
use crate::world::{Ledger, drill, overwrite};
use reqwest::blocking::Response;
use serde_json::{Value, json};

#[test]
fn a_report_is_issued_listed_fetched_and_explained_over_http() {
    let ledger = Ledger::new();
    let server = ledger.serve();
    ledger.append(&[drill("restore"), drill("other"), drill("restore")]);
    let month = this_month(&ledger);
    let post = |token: &str, body: Value| -> Response {
        let request = server.client.post(server.url("/api/v1/reports"));
        request
            .bearer_auth(token)
            .body(body.to_string())
            .send()
            .unwrap()
    };
    let get = |path: &str| -> Response {
        let request = server
            .client
            .get(server.url(&format!("/api/v1/reports{path}")));
        request.bearer_auth(&server.token).send().unwrap()
    };
    assert_eq!(server.json("/api/v1/reports"), json!([]));
    let wish = json!({
        "report": "incidents", "month": month,
        "formats": ["html", "json", "csv", "md"], "languages": ["ja", "en"],
    });
    let before = server.size();
    assert_eq!(post("dco_wrong", wish.clone()).status(), 401);
    for (wrong, status, part) in [
        (json!({ "report": "weekly" }), 409, "no report of this name"),
        (json!({ "report": "monthly" }), 409, "is of months"),
        (
            json!({ "report": "monthly", "month": "2026-13" }),
            409,
            "--month",
        ),
        (
            json!({ "report": "retention", "head": 99999 }),
            409,
            "--head 99999",
        ),
        (json!({ "report": "retention", "vkey": "x" }), 409, "--vkey"),
        (
            json!({ "report": "retention", "formats": [] }),
            409,
            "no form",
        ),
        (
            json!({ "report": "retention", "formats": ["exe"] }),
            400,
            "formats",
        ),
        (json!({ "reports": "retention" }), 400, "field"),
    ] {
        let answer = post(&server.token, wrong.clone());
        assert_eq!(answer.status(), status, "{wrong}");
        let told: Value = serde_json::from_str(&answer.text().unwrap()).unwrap();
        assert!(
            told["help"].as_str().is_some_and(|help| !help.is_empty()),
            "{told}"
        );
        let error = told["error"].as_str().unwrap().to_lowercase();
        let help = told["help"].as_str().unwrap();
        assert!(
            error.contains(part) || help.contains(part),
            "{wrong}: {told}"
        );
    }
    assert_eq!(server.size(), before, "bad input changed something");

    let answer = post(&server.token, wish);
    assert_eq!(answer.status(), 201);
    let issued: Value = serde_json::from_str(&answer.text().unwrap()).unwrap();
    assert_eq!(issued["soundness"]["state"], "sound");
    let documents = issued["documents"].as_array().unwrap();
    // JSON is in both languages.
    assert_eq!(documents.len(), 7);
    crate::world::wait_for("the list", || {
        server.json("/api/v1/reports").as_array().unwrap().len() == 7
    });
    for document in documents {
        let seq = document["seq"].to_string();
        let answer = get(&format!("/{seq}"));
        let media = answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
        let bytes = answer.bytes().unwrap();
        assert!(
            media.starts_with(&document["media"].as_str().unwrap()[..8]),
            "{media}"
        );
        assert_eq!(etag, format!("{}", document["sha256"]));
        let name = format!("{seq}.{}", document["format"].as_str().unwrap());
        let file = ledger.beside(&name);
        std::fs::write(&file, &bytes).unwrap();
        let proof = get(&format!("/{seq}/proof")).text().unwrap();
        std::fs::write(ledger.beside(&format!("{name}.tlog-proof")), proof).unwrap();
        let told = verify(&ledger, &file, &[]).lines().remove(0);
        assert_eq!(
            (&told["signature"], &told["figures"]),
            (&json!("holds"), &json!("same")),
            "{told}"
        );
        // The command line gives the same document.
        let again = ledger.run(&["report", "fetch", &seq]).ok();
        assert_eq!(again.as_bytes(), &bytes[..]);
    }
    let first = documents[0]["seq"].to_string();
    let told: Value = get(&format!("/{first}/figures/drills.restore.true?limit=1"))
        .json()
        .unwrap();
    assert_eq!(
        (&told["figure"]["value"], &told["entries_behind"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(told["entries"][0]["kind"], "drill.completed");
    let next = told["next"].as_u64().unwrap();
    let rest: Value = get(&format!("/{first}/figures/drills.restore.true?from={next}"))
        .json()
        .unwrap();
    assert_eq!(rest["entries"][0]["seq"], next);
    for (path, status) in [
        ("/0", 404),
        ("/999999", 404),
        ("/0/proof", 404),
        (&*format!("/{first}/figures/nothing"), 404),
        ("/x", 400),
    ] {
        assert_eq!(get(path).status(), status, "{path}");
    }
    let anybody = server.get(&format!("/api/v1/reports/{first}"));
    assert_eq!(anybody.status(), 401);
    assert_eq!(server.stop(), 0);
    ledger.verify();
    let listed = ledger.run(&["report", "list", "--json"]).lines();
    assert_eq!(listed.len(), 7);
    ledger
        .run(&["report", "fetch", "0"])
        .refused(&["entry 0 issues no report"]);
}

#[test]
fn organisation_clock_and_hours_are_those_that_were_adopted() {
    let ledger = Ledger::new();
    ledger.append(&[drill("restore")]);
    ledger.configure(|text| {
        text.replace(
            "organisation = \"-\"",
            "organisation = \"株式会社サンプル商事\"",
        )
    });
    let month = this_month(&ledger);
    let json = ledger.beside("m.json");
    let path = json.to_str().unwrap();
    let report = [
        "report", "monthly", "--month", &month, "--format", "json", "-o", path, "--force",
    ];
    ledger.run(&report).ok();
    let read = || -> Value { serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap() };
    let first = read();
    assert_eq!(first["basis"]["organisation"], "株式会社サンプル商事");
    let position = first["basis"]["rules"]["position"].to_string();
    let adopted: Value = ledger.run(&["--json", "show", &position]).lines().remove(0);
    assert!(
        adopted.to_string().contains("\"policy\":\"report\""),
        "{adopted}"
    );

    // The file says something else; nobody has adopted it.
    ledger.configure(|text| text.replace("株式会社サンプル商事", "有限会社べつの"));
    ledger.run(&report).ok();
    assert_eq!(read()["basis"]["organisation"], "株式会社サンプル商事");
    assert_eq!(ledger.run(&["policy"]).code, 1);
    ledger.run(&["policy", "adopt"]).ok();
    ledger.run(&report).ok();
    let adopted = read();
    assert_eq!(adopted["basis"]["organisation"], "有限会社べつの");
    assert_eq!(verify(&ledger, &json, &[]).code, 0);
    // Of an earlier head the rules of then.
    let head = first["basis"]["head"]["size"].to_string();
    ledger.run(&[&report[..], &["--head", &head]].concat()).ok();
    assert_eq!(read()["basis"]["organisation"], "株式会社サンプル商事");
    assert_eq!(read()["basis"]["rules"], first["basis"]["rules"]);

    // Rules that a file invents are found, whatever else holds.
    let text = std::fs::read_to_string(&json).unwrap();
    overwrite(
        &json,
        text.replace("株式会社サンプル商事", "株式会社うその")
            .as_bytes(),
    );
    let told = super::wrong(verify(&ledger, &json, &[]));
    assert!(
        told.contains("are not those that were adopted at"),
        "{told}"
    );
}
