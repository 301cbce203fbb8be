// Why a store's server cannot be reached, in words and with what to do: errors of the system, of TLS, and of the files it needs,
// which all clients of servers hand on under the same codes.

const start = "Start the server, or check host and port in the URL";
const noTls = "it does not speak TLS there. Ask for none in the URL, or name the port that does";

const causes: Readonly<Record<string, string>> = {
  ENOTFOUND: "its name is not known. Check the host in the URL",
  EAI_AGAIN: "its name could not be looked up. Check the host in the URL and the network",
  ECONNREFUSED: `nothing listens there. ${start}`,
  ENOENT: "there is no socket at that path. Start the server, or check the path in the URL",
  EACCES: "this user may not open its socket. Change the socket's rights, or run as a user who may",
  EHOSTUNREACH: "the machine cannot be reached. Check host and network",
  ENETUNREACH: "the network cannot be reached. Check host and network",
  ETIMEDOUT: "it does not answer. Check host, port and firewall",
  ECONNRESET:
    "it closed the connection. Check that it is a server of this kind, and whether it wants TLS, or a client's certificate",
  CERT_HAS_EXPIRED: "its certificate has expired. Renew it, or set this machine's clock",
  CERT_NOT_YET_VALID: "its certificate is not valid yet. Set this machine's clock",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name than the host in the URL. Use the name it is for",
  ERR_SSL_WRONG_VERSION_NUMBER: noTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: noTls,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: "it asks for a client's certificate. Name its files in the URL",
};

const unknownSigner: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_SIGNATURE_FAILURE",
]);

/** Why there is no connection, and what to do; undefined for an error of another kind. `caOption` names the authority's file in a URL. */
export function networkTrouble(error: unknown, caOption: string): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code = "", syscall, path } = error as NodeJS.ErrnoException;
  if (syscall === "open" && path !== undefined) return `the file ${path}, which the URL names, cannot be read (${code})`;
  if (unknownSigner.has(code)) {
    const what = "its certificate is signed by nobody this machine knows";
    return `${what}. Name the file of the authority that signed it by ${caOption} in the URL (${code})`;
  }
  return causes[code] && `${causes[code]} (${code})`;
}

/** True when trying again later is of no use: the files, the certificates or the URL have to change. */
export function isLasting(error: unknown): boolean {
  const { code = "", syscall } = error as NodeJS.ErrnoException;
  return syscall === "open" || unknownSigner.has(code) || /^(ERR_|CERT_)/.test(code);
}
