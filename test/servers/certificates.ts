// Certificates made at test time with the command `openssl`: an authority nobody else knows, and what it signed.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** Paths of files in PEM format. */
export interface Certificates {
  /** The authority. */
  readonly ca: string;
  /** For `localhost` and 127.0.0.1, to be used by a server or by a client. */
  readonly cert: string;
  readonly key: string;
}

export function hasOpenssl(): boolean {
  return spawnSync("openssl", ["version"]).status === 0;
}

/** Why tests with TLS are skipped, or false. Under CI they fail instead. */
export function withoutTls(): string | false {
  if (hasOpenssl()) return false;
  const reason = "no command openssl, which makes the certificates: install it (apt-get install openssl)";
  if (process.env["CI"]) throw new Error(reason);
  return reason;
}

function openssl(...args: string[]): void {
  const { status, stderr, error } = spawnSync("openssl", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`openssl ${args[0]} failed: ${stderr || error?.message}`);
}

/** Makes an authority and a certificate in this folder, each test's own. */
export function makeCertificates(folder: string): Certificates {
  const path = (name: string): string => join(folder, name);
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout"];
  openssl(
    "req",
    "-x509",
    ...newKey,
    path("ca.key"),
    "-out",
    path("ca.pem"),
    "-days",
    "2",
    "-subj",
    "/CN=manyhands test authority",
  );
  openssl("req", ...newKey, path("server.key"), "-out", path("server.csr"), "-subj", "/CN=localhost");
  writeFileSync(path("names"), "subjectAltName = DNS:localhost, IP:127.0.0.1\n");
  const signed = ["-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", path("names")];
  openssl("x509", "-req", "-in", path("server.csr"), "-out", path("server.pem"), ...signed);
  return { ca: path("ca.pem"), cert: path("server.pem"), key: path("server.key") };
}
