// The reference of the API: /openapi.json as a page. It needs no network but this server.

const make = (tag, text, ...children) => {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  element.append(...children);
  return element;
};

const resolve = (schema, all) =>
  schema?.$ref ? all.components.schemas[schema.$ref.split("/").pop()] : schema ?? {};

// A schema in a few words: "integer", "one of generate, image", "list of string".
const kind = (schema, all) => {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return `one of ${schema.enum.join(", ")}`;
  if (schema.anyOf) return schema.anyOf.map((each) => kind(each, all)).join(" or ");
  if (schema.type === "array") return `list of ${kind(schema.items, all) || "anything"}`;
  if (schema.format === "binary") return "file";
  return schema.type ?? "anything";
};

const fields = (schema, all) => {
  const table = make("table");
  const { properties = {}, required = [] } = resolve(schema, all);
  for (const [name, field] of Object.entries(properties)) {
    const words = [field.description, required.includes(name) ? "required" : ""];
    if (field.default !== undefined && field.default !== null && field.default !== "")
      words.push(`default ${JSON.stringify(field.default)}`);
    table.append(make("tr", "",
      make("td", "", make("code", name)),
      make("td", kind(field, all)),
      make("td", words.filter(Boolean).join("; "))));
  }
  return table;
};

const example = (method, path, body) => {
  const base = `${location.origin}${path}`;
  const form = body?.content?.["multipart/form-data"]?.schema;
  if (method === "get") return `curl "${base}"`;
  if (!form) return `curl -X ${method.toUpperCase()} "${base}"`;
  const given = (form.required ?? []).concat(form.properties.prompt ? ["prompt"] : []);
  const parts = [...new Set(given)].map((name) =>
    form.properties[name].format === "binary" ? `-F ${name}=@clip.mp4` : `-F ${name}="..."`);
  return `curl "${base}" ${parts.join(" ")}`;
};

const route = (method, path, told, all) => {
  const section = make("section");
  section.id = told.operationId;
  section.append(make("h2", "", make("b", method.toUpperCase()), ` ${path}`));
  section.append(make("p", told.description ?? told.summary));
  section.append(make("pre", example(method, path, told.requestBody)));
  if (told.parameters?.length) {
    const properties = Object.fromEntries(told.parameters.map((each) =>
      [each.name, { ...each.schema, description: `in the ${each.in}` }]));
    section.append(make("h3", "Parameters"), fields({ properties }, all));
  }
  const form = told.requestBody?.content?.["multipart/form-data"]?.schema;
  if (form) section.append(make("h3", "Fields, as a form or as JSON"), fields(form, all));
  const answer = told.responses["200"]?.content?.["application/json"]?.schema;
  if (answer?.$ref) section.append(make("h3", `Answers ${kind(answer, all)}`), fields(answer, all));
  return section;
};

const all = await (await fetch("/openapi.json")).json();
document.getElementById("about").textContent = all.info.description;
for (const [path, methods] of Object.entries(all.paths)) {
  for (const [method, told] of Object.entries(methods)) {
    const link = make("a", `${method.toUpperCase()} ${path}`);
    link.href = `#${told.operationId}`;
    document.getElementById("index").append(link);
    document.getElementById("routes").append(route(method, path, told, all));
  }
}
const schemas = make("section", "", make("h2", "What is answered"));
for (const [name, schema] of Object.entries(all.components.schemas))
  schemas.append(make("h3", name), make("p", schema.description ?? ""), fields(schema, all));
document.getElementById("routes").append(schemas);
