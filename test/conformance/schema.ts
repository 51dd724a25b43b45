/** The public contract as callers have it: src/schema.graphql, and nothing of the program. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  buildSchema,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
} from 'graphql';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const schemaPath = join(root, 'src/schema.graphql');
export const sdl = readFileSync(schemaPath, 'utf8');
export const schema: GraphQLSchema = buildSchema(sdl);

/** The types that the API itself defines. */
export function ownTypes(of: GraphQLSchema = schema): GraphQLNamedType[] {
  return Object.values(of.getTypeMap()).filter(
    (type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type),
  );
}

export function objectTypes(of: GraphQLSchema = schema): GraphQLObjectType[] {
  return ownTypes(of).filter(isObjectType);
}

export function fieldsOf(
  type: GraphQLNamedType,
): (GraphQLField<unknown, unknown> | GraphQLInputField)[] {
  const fields = isObjectType(type) || isInterfaceType(type) || isInputObjectType(type);
  return fields ? Object.values(type.getFields()) : [];
}

/** Types that stand for things with an identity: what `node(id)` can return. */
export function entityTypes(of: GraphQLSchema = schema): GraphQLObjectType[] {
  return objectTypes(of).filter((type) => type.getInterfaces().some(({ name }) => name === 'Node'));
}

/** Every type, field, argument, input field and enum value without a description, as "Type.field(argument)". */
export function undescribed(of: GraphQLSchema = schema): string[] {
  const missing: string[] = [];
  const look = (place: string, thing: { description?: string | null | undefined }): void => {
    if (!thing.description?.trim()) missing.push(place);
  };
  for (const type of ownTypes(of)) {
    look(type.name, type);
    for (const field of fieldsOf(type)) {
      look(`${type.name}.${field.name}`, field);
      for (const arg of 'args' in field ? field.args : [])
        look(`${type.name}.${field.name}(${arg.name})`, arg);
    }
    if (isEnumType(type))
      for (const value of type.getValues()) look(`${type.name}.${value.name}`, value);
  }
  return missing;
}
