package znode

import (
	"encoding/json"
	"fmt"
	"strings"
)

// EncodeConfig writes the body of /config/TYPE/NAME (version 1), with the keys sorted.
func EncodeConfig(config map[string]string) []byte {
	if config == nil {
		config = map[string]string{}
	}
	return encode(struct {
		Version int               `json:"version"`
		Config  map[string]string `json:"config"`
	}{1, config})
}

// DecodeConfig reads the body of /config/TYPE/NAME. A null or empty body is an empty configuration. A number or
// boolean that a tool wrote without quotes becomes its text. The error is a *DecodeError.
func DecodeConfig(path string, data []byte) (map[string]string, error) {
	config := map[string]string{}
	if len(data) == 0 {
		return config, nil
	}
	var body struct {
		Config map[string]json.RawMessage `json:"config"`
	}
	if err := decode(path, data, &body); err != nil {
		return nil, err
	}
	for k, raw := range body.Config {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			s = string(raw)
		}
		config[k] = s
	}
	return config, nil
}

// EncodeConfigChange writes the body of /config/changes/config_change_N (version 2): which
// configuration changed, as TYPE/NAME.
func EncodeConfigChange(entityType, name string) []byte {
	return encode(struct {
		Version int    `json:"version"`
		Path    string `json:"entity_path"`
	}{2, entityType + "/" + name})
}

// DecodeConfigChange reads the body of /config/changes/config_change_N: version 1 has a type and a name, version
// 2 a path. The error is a *DecodeError.
func DecodeConfigChange(path string, data []byte) (entityType, name string, err error) {
	var body struct {
		Version int    `json:"version"`
		Path    string `json:"entity_path"`
		Type    string `json:"entity_type"`
		Name    string `json:"entity_name"`
	}
	if err := decode(path, data, &body); err != nil {
		return "", "", err
	}
	if body.Version == 1 {
		return body.Type, body.Name, nil
	}
	entityType, name, ok := strings.Cut(body.Path, "/")
	if body.Version != 2 || !ok {
		return "", "", &DecodeError{Path: path, Data: data, Err: fmt.Errorf("not a configuration change")}
	}
	return entityType, name, nil
}
