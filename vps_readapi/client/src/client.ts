/** The orders of the shop, typed by the API's own description. */
import createFetchClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type Pedido = components["schemas"]["PedidoJson"];
export type Diferenca = components["schemas"]["DiferencaJson"];
export type Status = components["schemas"]["Status"];
export type Material = components["schemas"]["MaterialJson"];
export type Maquina = components["schemas"]["MaquinaJson"];
export type Fila = components["schemas"]["FilaJson"];
export type PrintLog = components["schemas"]["PrintLogJson"];
export type LogsQuery = NonNullable<paths["/print-logs/"]["get"]["parameters"]["query"]>;
export type Periodo = NonNullable<paths["/relatorios/{tipo}"]["get"]["parameters"]["query"]>;
export type Problem = { type: string; title: string; status: number; detail: string };

/** How old the data of one answer is, from its fields. */
export interface Freshness {
  state: "fresh" | "lagging" | "silent";
  asOf: Date | null;
  ageSeconds: number | null;
}

/** What happens on the stream of events; each id that is not empty is a cursor for `difference` and `events`. */
export type Evento =
  | { event: "pedidos"; id: string; mudou: number[]; sumiu: number[] }
  | { event: "recomece"; id: string }
  | { event: "pulso"; id: string; sync_state: Freshness["state"]; sync_as_of: string | null; sync_age: number | null };

/** What is printed, while it is; the id is the newest log that an event knows of, for `printLogEvents`. */
export type Impressao =
  | { event: "impressoes"; id: string; registros: PrintLog[] }
  | { event: "recomece"; id: string }
  | { event: "pulso"; id: string; sync_source: Source | null };

/** Where the answer to a live question comes from: SGP itself, or what it said last. */
export type Source = "live" | "cached";

export interface Following {
  since?: string;
  signal?: AbortSignal;
}

export interface Options {
  baseUrl: string;
  token?: string;
  fetch?: typeof fetch;
}

/** An answer that is no success: `message` is its sentence in Portuguese. */
export class ProblemError extends Error {
  readonly status: number;

  constructor(problem: Partial<Problem>, status: number) {
    super(problem.detail ?? `HTTP ${status}`);
    this.status = status;
  }
}

export function readFreshness(response: Response): Freshness {
  const state = response.headers.get("sync-state");
  const asOf = response.headers.get("sync-as-of");
  const age = response.headers.get("sync-age");
  return {
    state: state === "fresh" || state === "lagging" ? state : "silent",
    asOf: asOf === null ? null : new Date(asOf),
    ageSeconds: age === null ? null : Number(age),
  };
}

/** Of an answer to a live question; null for what the mirror answers. */
export function readSource(response: Response): Source | null {
  const source = response.headers.get("sync-source");
  return source === "live" || source === "cached" ? source : null;
}

export class PonteClient {
  /** Every operation of the description, typed. */
  readonly raw: Client<paths>;
  readonly #options: Options;
  #token: string | undefined;

  constructor(options: Options) {
    this.#options = options;
    this.#token = options.token;
    this.raw = createFetchClient<paths>({
      baseUrl: options.baseUrl,
      ...(options.fetch ? { fetch: options.fetch } : {}),
    });
    this.raw.use({
      onRequest: ({ request }) => {
        if (this.#token) request.headers.set("Authorization", `Bearer ${this.#token}`);
        return request;
      },
    });
  }

  async login(username: string, password: string): Promise<components["schemas"]["LoginJson"]> {
    const answer = await this.raw.POST("/auth/login", { body: { username, password } });
    const session = take(answer);
    this.#token = session.session_token;
    return session;
  }

  /** End the session, on every device that holds its token. */
  async logout(): Promise<void> {
    take(await this.raw.POST("/auth/logout"));
    this.#token = undefined;
  }

  async pedidos(query: { status?: Status; busca?: string; limit?: number } = {}): Promise<Pedido[]> {
    const found = take(await this.raw.GET("/pedidos/", { params: { query } }));
    if (!Array.isArray(found)) throw new TypeError("a list was expected");
    return found;
  }

  async pedido(pedidoId: number): Promise<Pedido> {
    return take(await this.raw.GET("/pedidos/{pedido_id}", { params: { path: { pedido_id: pedidoId } } }));
  }

  /** What changed and vanished since a cursor; an empty one brings everything. */
  async difference(cursor: string): Promise<Diferenca> {
    const found = take(await this.raw.GET("/pedidos/", { params: { query: { desde: cursor } } }));
    if (Array.isArray(found)) throw new TypeError("a difference was expected");
    return found;
  }

  /** The stock, asked of SGP itself; the newest answer that is known while it is away. */
  async materiais(): Promise<Material[]> {
    return take(await this.raw.GET("/materiais/"));
  }

  async maquinas(): Promise<Maquina[]> {
    return take(await this.raw.GET("/maquinas/"));
  }

  async filas(): Promise<Fila[]> {
    return take(await this.raw.GET("/maquinas/dashboard/overview"));
  }

  async printLogs(query: LogsQuery = {}): Promise<PrintLog[]> {
    return take(await this.raw.GET("/print-logs/", { params: { query } }));
  }

  async relatorio(tipo: string, query: Periodo = {}): Promise<unknown> {
    return take(await this.raw.GET("/relatorios/{tipo}", { params: { path: { tipo }, query } }));
  }

  /** Follow the events from a cursor on; a lost connection is taken up again where it was. */
  events(options: Following = {}): AsyncGenerator<Evento> {
    return this.#follow<Evento>("/eventos", options);
  }

  /** Follow what is printed, by all machines or by one. */
  printLogEvents(options: Following & { printerId?: number } = {}): AsyncGenerator<Impressao> {
    const query = options.printerId === undefined ? "" : `?printer_id=${options.printerId}`;
    return this.#follow<Impressao>(`/print-logs/eventos${query}`, options);
  }

  async *#follow<T extends { id: string }>(path: string, options: Following): AsyncGenerator<T> {
    let cursor = options.since ?? "";
    while (!options.signal?.aborted) {
      try {
        for await (const event of this.#stream<T>(path, cursor, options.signal)) {
          if (event.id) cursor = event.id;
          yield event;
        }
      } catch (error) {
        if (options.signal?.aborted) return;
        if (error instanceof ProblemError && error.status < 500 && error.status !== 429) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }

  async *#stream<T>(path: string, cursor: string, signal: AbortSignal | undefined): AsyncGenerator<T> {
    const send = this.#options.fetch ?? fetch;
    const headers: Record<string, string> = cursor ? { "Last-Event-ID": cursor } : {};
    if (this.#token) headers["Authorization"] = `Bearer ${this.#token}`;
    const response = await send(`${this.#options.baseUrl}${path}`, { headers, ...(signal ? { signal } : {}) });
    if (!response.ok || !response.body) {
      throw new ProblemError((await response.json()) as Partial<Problem>, response.status);
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      text += piece.value;
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) {
        const event = readEvent<T>(block);
        if (event) yield event;
      }
    }
  }
}

function readEvent<T>(block: string): T | null {
  const fields = new Map(
    block.split("\n").map((line): [string, string] => {
      const at = line.indexOf(": ");
      return [line.slice(0, at), line.slice(at + 2)];
    }),
  );
  const [event, data] = [fields.get("event"), fields.get("data")];
  if (!event || !data) return null;
  return { event, id: fields.get("id") ?? "", ...(JSON.parse(data) as object) } as T;
}

function take<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.data === undefined) {
    throw new ProblemError((answer.error ?? {}) as Partial<Problem>, answer.response.status);
  }
  return answer.data;
}
