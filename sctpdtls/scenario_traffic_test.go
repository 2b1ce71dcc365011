package sctpdtls

var trafficScenarios = []scenario{}
