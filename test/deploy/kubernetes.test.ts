// The Kubernetes manifests: each by itself, and how they name one another. Where kubectl is installed, its kustomize puts them together.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { graceMs, marginMs } from "./command-line.ts";
import { filesIn, readYaml, root } from "./tree.ts";

const folder = "deploy/kubernetes";
type Labels = Readonly<Record<string, string>>;
type Sizes = { readonly cpu?: string; readonly memory?: string };

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly envFrom: readonly { readonly secretRef: { readonly name: string } }[];
  readonly resources: { readonly requests: Sizes; readonly limits: Sizes };
  readonly securityContext: object;
  readonly volumeMounts: readonly { readonly name: string }[];
  readonly lifecycle?: unknown;
}

interface Pod {
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: { readonly runAsNonRoot: boolean; readonly runAsUser: number };
  readonly containers: readonly [Container];
  readonly volumes: readonly { readonly name: string }[];
}

interface Deployment extends Manifest {
  readonly spec: {
    readonly replicas?: number;
    readonly selector: { readonly matchLabels: Labels };
    readonly template: { readonly metadata: { readonly labels: Labels }; readonly spec: Pod };
  };
}

interface Budget extends Manifest {
  readonly spec: { readonly maxUnavailable: number; readonly selector: { readonly matchLabels: Labels } };
}

interface Autoscaler extends Manifest {
  readonly spec: {
    readonly scaleTargetRef: { readonly apiVersion: string; readonly kind: string; readonly name: string };
    readonly minReplicas: number;
    readonly maxReplicas: number;
    readonly metrics: readonly { readonly resource: { readonly name: string } }[];
  };
}

interface Kustomization {
  readonly resources: readonly string[];
  readonly images: readonly { readonly name: string; readonly newName: string; readonly newTag: string }[];
}

interface Secret extends Manifest {
  readonly stringData: Readonly<Record<string, string>>;
}

const kustomization = readYaml<Kustomization>(`${folder}/kustomization.yaml`);
const deployment = readYaml<Deployment>(`${folder}/deployment.yaml`);
const budget = readYaml<Budget>(`${folder}/pod-disruption-budget.yaml`);
const autoscaler = readYaml<Autoscaler>(`${folder}/horizontal-pod-autoscaler.yaml`);
const secret = readYaml<Secret>(`${folder}/secret.example.yaml`);
const pod = deployment.spec.template.spec;
const [worker] = pod.containers;

test("every manifest says what it is, and all but the example of a secret are applied", () => {
  const kinds = filesIn(folder).map((name) => {
    const { apiVersion, kind } = readYaml<Manifest>(`${folder}/${name}`);
    return `${name}: ${apiVersion} ${kind}`;
  });
  assert.deepEqual(kinds, [
    "deployment.yaml: apps/v1 Deployment",
    "horizontal-pod-autoscaler.yaml: autoscaling/v2 HorizontalPodAutoscaler",
    "kustomization.yaml: kustomize.config.k8s.io/v1beta1 Kustomization",
    "pod-disruption-budget.yaml: policy/v1 PodDisruptionBudget",
    "secret.example.yaml: v1 Secret",
  ]);
  const applied = filesIn(folder).filter((name) => !/^(kustomization|secret\.example)\.yaml$/.test(name));
  assert.deepEqual([...kustomization.resources].sort(), applied);
});

test("selectors find the pods, and the autoscaler its deployment", () => {
  const { labels } = deployment.spec.template.metadata;
  assert.ok(Object.keys(labels).length > 0);
  assert.deepEqual(deployment.spec.selector.matchLabels, labels);
  assert.deepEqual(budget.spec.selector.matchLabels, labels);
  const { apiVersion, kind, metadata } = deployment;
  assert.deepEqual(autoscaler.spec.scaleTargetRef, { apiVersion, kind, name: metadata.name });
});

test("the pod is given more time to end than the worker gives its jobs, without a hook", () => {
  assert.ok(pod.terminationGracePeriodSeconds * 1000 >= graceMs(worker.args) + marginMs);
  assert.equal(worker.lifecycle, undefined);
});

test("the worker has few rights and writes only to what is mounted", () => {
  assert.equal(pod.securityContext.runAsNonRoot, true);
  assert.ok(pod.securityContext.runAsUser > 0);
  assert.deepEqual(worker.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
  assert.deepEqual(
    worker.volumeMounts.map(({ name }) => name),
    pod.volumes.map(({ name }) => name),
  );
});

test("the store comes from the secret, whose example holds no secret", () => {
  assert.deepEqual(worker.envFrom, [{ secretRef: { name: secret.metadata.name } }]);
  assert.deepEqual(Object.keys(secret.stringData), ["MANYHANDS_URL"]);
  assert.equal(new URL(secret.stringData["MANYHANDS_URL"] ?? "").password, "CHANGE-ME");
});

test("the autoscaler alone sets the number of workers, and has a request to measure against", () => {
  const { minReplicas, maxReplicas, metrics } = autoscaler.spec;
  assert.equal(deployment.spec.replicas, undefined);
  assert.ok(minReplicas >= 2 && maxReplicas > minReplicas);
  assert.ok(budget.spec.maxUnavailable < minReplicas, "a drained node leaves a worker");
  for (const { resource } of metrics) assert.ok(worker.resources.requests[resource.name as keyof Sizes], resource.name);
  assert.ok(worker.resources.limits.cpu, "without a limit a worker starts a thread for each core of the node");
  assert.ok(worker.resources.limits.memory);
});

test("the image is pinned", () => {
  const [image] = kustomization.images;
  assert.match(worker.image, /^[\w./-]+:(?!latest$)[\w.-]+$/);
  assert.equal(worker.image.split(":")[0], image?.name);
  assert.match(image?.newTag ?? "", /^\d+\.\d+\.\d+$/);
});

const kubectl = spawnSync("kubectl", ["version", "--client"]).status === 0;

test("kustomize puts them together", { skip: !kubectl && "kubectl is not installed" }, () => {
  const { status, stdout, stderr } = spawnSync("kubectl", ["kustomize", folder], { cwd: root, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  const made = parseAllDocuments(stdout).map((document) => document.toJS() as Manifest);
  assert.deepEqual(
    made.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    ["Deployment", "PodDisruptionBudget", "HorizontalPodAutoscaler"].map((kind) => `${kind} ${deployment.metadata.name}`),
  );
  const [image] = kustomization.images;
  const [container] = (made[0] as Deployment).spec.template.spec.containers;
  assert.equal(container.image, `${image?.newName}:${image?.newTag}`);
});
